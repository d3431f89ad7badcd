-- Each change of a file with who made it, when, and what kind of file it is.
-- model:
-- key = ["commit_id", "path"]
-- tests = ["relationships(author_id, joined.authors.author_id)", "not_null(kind)"]
SELECT
    change.commit_id,
    change.path,
    change.folder,
    coalesce(kinds.kind, 'other') AS kind,
    made.author_id,
    made.committed_at,
    date_trunc('week', made.committed_at)::DATE AS week,
    change.lines_added,
    change.lines_deleted
FROM staging.file_changes AS change
JOIN staging.commits AS made USING (commit_id)
LEFT JOIN ref.file_kinds AS kinds ON kinds.extension = change.extension
