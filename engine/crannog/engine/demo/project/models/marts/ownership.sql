-- Who wrote most of each folder, and how much of it stands on one person.
-- model:
-- key = ["folder"]
-- tests = ["unique(folder)", "share > 0 OR lines_added = 0", "relationships(owner_id, joined.authors.author_id)"]
-- tags = ["people"]
WITH written AS (
    SELECT folder, author_id, sum(lines_added) AS lines_added, count(*) AS changes
    FROM joined.touches
    GROUP BY folder, author_id
)
SELECT
    written.folder,
    written.author_id AS owner_id,
    authors.author AS owner,
    written.lines_added,
    round(
        written.lines_added
        / greatest(1, sum(written.lines_added) OVER (PARTITION BY written.folder)),
        3
    ) AS share,
    count(*) OVER (PARTITION BY written.folder) AS authors
FROM written
JOIN joined.authors AS authors USING (author_id)
QUALIFY row_number() OVER (
    PARTITION BY written.folder
    ORDER BY written.lines_added DESC, written.changes DESC, written.author_id
) = 1
ORDER BY folder
