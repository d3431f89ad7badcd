-- The whole history in one row.
-- model:
-- kind = "view"
SELECT
    (SELECT count(*) FROM staging.commits) AS commits,
    (SELECT count(*) FROM joined.authors) AS authors,
    (SELECT count(*) FROM marts.hot_spots) AS files,
    (SELECT min(first_commit) FROM joined.authors) AS first_commit,
    (SELECT max(last_commit) FROM joined.authors) AS last_commit
