-- What each commit did to each file; binary files have no lines.
-- model:
-- key = ["commit_id", "path"]
-- tests = ["not_null(commit_id, path)", "lines_added >= 0", "lines_deleted >= 0"]
-- owner = "demo"
SELECT
    commit_id,
    path,
    old_path,
    CASE WHEN contains(path, '/') THEN split_part(path, '/', 1) ELSE '.' END AS folder,
    lower(regexp_extract(path, '\.([A-Za-z0-9]+)$', 1)) AS extension,
    lines_added IS NULL AS is_binary,
    coalesce(lines_added, 0)::BIGINT AS lines_added,
    coalesce(lines_deleted, 0)::BIGINT AS lines_deleted
FROM raw.file_changes
