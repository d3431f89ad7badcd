-- Files that change most often, with how much and by how many people.
-- model:
-- key = ["path"]
-- tests = ["unique(path)", "changes >= 1", "rank_in_folder >= 1"]
-- tags = ["code"]
SELECT
    path,
    folder,
    any_value(kind) AS kind,
    count(*) AS changes,
    count(DISTINCT author_id) AS authors,
    sum(lines_added + lines_deleted) AS lines_changed,
    max(committed_at) AS last_change,
    row_number() OVER (PARTITION BY folder ORDER BY count(*) DESC, path) AS rank_in_folder
FROM joined.touches
GROUP BY path, folder
ORDER BY changes DESC, path
