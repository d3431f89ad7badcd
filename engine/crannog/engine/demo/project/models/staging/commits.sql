-- Commits with proper times: when the work was done, and when it arrived.
-- model:
-- key = ["commit_id"]
-- tests = ["unique(commit_id)", "not_null(commit_id, author_id, committed_at)"]
-- warn = ["authored_at <= committed_at"]
-- owner = "demo"
SELECT
    commit_id,
    author_id,                                     -- SHA-256 of the e-mail address, cut short
    author,
    authored_at::TIMESTAMP AS authored_at,         -- when the work was done, says its author's clock
    committed_at::TIMESTAMP AS committed_at,       -- when it became part of the history
    len(parents) > 1 AS is_merge,
    subject
FROM raw.commits
