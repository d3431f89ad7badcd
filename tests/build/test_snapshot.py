"""Snapshots: what a header may say, what a fold keeps, and what can't make it lose a row."""

from datetime import UTC, datetime

import deltalake
import pyarrow
import pytest

from crannog.catalog.lake import Lake
from crannog.catalog.stores import open_store
from crannog.engine import connect
from crannog.errors import CrannogError, QueryError


@pytest.fixture
def people(work):
    """A table of people, and a snapshot of it that was not built yet."""
    work.sql("CREATE TABLE raw.people AS SELECT * FROM (VALUES (1, 'ann'), (2, 'bob')) t(id, name)")
    snapshot(work, "SELECT id, name FROM raw.people")
    return work


def snapshot(work, text, key='["id"]', name="history", more=""):
    return work.model(name, f'-- model:\n-- kind = "snapshot"\n-- key = {key}\n{more}{text}\n')


def commits(work, branch="main"):
    """All commits of a branch's first parents, oldest first."""
    lake = Lake.open(open_store(work.lake, {}))
    return [*lake.history(lake.head(branch).commit)][::-1]


def branch(work, name):
    Lake.open(open_store(work.lake, {})).create_branch(name, commits(work)[-1])


def history(work, name="history", branch="main", order="ALL"):
    """The rows, with the number of the commit instead of each time."""
    places = {commit.time: at for at, commit in enumerate(commits(work, branch))}
    rows = work.sql(f"FROM {name} ORDER BY {order}", branch)
    return [tuple(places[v] if isinstance(v, datetime) else v for v in row) for row in rows]


def test_every_version_of_a_row_is_kept_with_the_time_of_its_commits(people, ask):
    people.sql("UPDATE raw.people SET name = 'anna' WHERE id = 1")
    people.sql("INSERT INTO raw.people VALUES (3, 'cid')")
    people.sql("DELETE FROM raw.people WHERE id = 2")
    assert ask.of(people.plan(), "main.history").because == (
        "first_build: it was never built here; 4 commits of raw.people"
    )
    people.built()
    kept = [(1, "ann", 1, 2), (1, "anna", 2, None), (2, "bob", 1, 4), (3, "cid", 3, None)]
    assert history(people) == kept
    assert people.built().commit is None
    assert [
        *map(str, people.sql("SELECT typeof(valid_from), typeof(valid_to) FROM history")[0])
    ] == [
        "TIMESTAMP WITH TIME ZONE",
        "TIMESTAMP WITH TIME ZONE",
    ]


def test_commits_between_two_builds_count_one_by_one(people, ask):
    first = people.built().previous
    people.sql("UPDATE raw.people SET name = 'b' WHERE id = 2")
    people.sql("CREATE TABLE raw.other AS SELECT 1 AS x")
    people.sql("UPDATE raw.people SET name = 'c' WHERE id = 2")
    people.sql("DELETE FROM raw.people WHERE id = 2")
    people.sql("INSERT INTO raw.people VALUES (2, 'bob')")
    planned = ask.of(people.plan(), "main.history")
    assert (planned.action, planned.strategy) == ("merge", "fold")
    assert planned.because == f"4 commits of raw.people since {first[:7]}"
    assert [(c.name, c.old, c.new) for c in planned.inputs] == [("raw.people", 0, 4)]
    result = ask.of(people.built(), "main.history")
    assert (result.rows, result.rows_added, result.rows_removed) == (5, 4, 1)
    assert history(people)[1:] == [
        (2, "b", 3, 5),
        (2, "bob", 1, 3),
        (2, "bob", 7, None),
        (2, "c", 5, 6),
    ]


def test_files_of_closed_rows_are_not_touched_again(people):
    def files():
        lake = Lake.open(open_store(people.lake, {}))
        state = lake.state(lake.head("main").commit)
        return {file.path for file in lake.files(lake.pin(state.tables["main.history"]))}

    people.sql("UPDATE raw.people SET name = upper(name)")
    people.built()
    first = files()
    assert len(first) == 2
    people.sql("INSERT INTO raw.people VALUES (3, 'cid')")
    people.built()
    assert first < files()
    people.sql("DELETE FROM raw.people WHERE id = 3")
    people.built()
    assert first < files()
    people.sql("DELETE FROM raw.people")
    people.built()
    assert len(first & files()) == 1


def test_nothing_changed_reads_no_data(people, monkeypatch):
    people.built()
    people.sql("CREATE TABLE raw.other AS SELECT 1 AS x")
    people.model("other", "SELECT x FROM raw.other")
    asked = []
    from crannog.engine.snapshots.fold import Fold

    monkeypatch.setattr(Fold, "go", lambda *words: asked.append(words))
    assert people.built().commit is not None
    assert asked == []


def test_a_model_made_in_the_same_build_counts_with_the_time_of_that_commit(people, ask):
    people.model("staging.people", "SELECT id, upper(name) AS name FROM raw.people")
    snapshot(people, "SELECT id, name FROM staging.people")
    people.built()
    assert history(people) == [(1, "ANN", 2, None), (2, "BOB", 2, None)]
    assert people.built().commit is None
    people.sql("INSERT INTO raw.people VALUES (3, 'cid')")
    planned = ask.of(people.plan(), "main.history")
    assert (planned.action, planned.because) == ("merge", "staging.people will grow")
    result = people.built()
    assert ask.of(result, "main.history").because == "what it reads changes in this build"
    assert history(people)[2] == (3, "CID", 4, None)
    assert people.built().commit is None


def test_what_reads_a_snapshot_is_built_after_it(people):
    people.model("now", "SELECT id, name FROM history WHERE valid_to IS NULL")
    people.built()
    people.sql("DELETE FROM raw.people WHERE id = 1")
    people.built()
    assert people.rows("now") == [(2, "bob")]
    assert people.built().commit is None


def test_a_new_text_holds_from_the_build_that_brings_it(people, ask):
    people.built()
    snapshot(people, "SELECT id, upper(name) AS name, length(name) AS n FROM raw.people")
    because = ask.of(people.plan(), "main.history").because
    assert because == "meaning_changed: models/history.sql:4; it holds from this build on"
    people.built()
    assert history(people) == [
        (1, "ANN", 3, 3, None),
        (1, "ann", None, 1, 3),
        (2, "BOB", 3, 3, None),
        (2, "bob", None, 1, 3),
    ]
    people.sql("INSERT INTO raw.people VALUES (3, 'cid')")
    snapshot(people, "SELECT id, length(name) AS n FROM raw.people")
    people.built()
    assert history(people)[-1] == (3, None, 3, 4, None)
    assert history(people)[0] == (1, "ANN", 3, 3, 4)
    assert people.built().commit is None


def test_a_text_that_means_the_same_changes_no_row(people, ask):
    people.built()
    snapshot(people, "SELECT id,  name -- who\nFROM raw.people", more='-- owner = "jen"\n')
    result = people.built()
    assert result.texts == ("main.history",)
    assert history(people) == [(1, "ann", 1, None), (2, "bob", 1, None)]
    people.sql("DELETE FROM raw.people WHERE id = 2")
    people.sql("INSERT INTO raw.people VALUES (2, 'bob')")
    people.built()
    assert history(people)[1:] == [(2, "bob", 1, 4), (2, "bob", 5, None)]


def test_a_column_that_an_input_gains_is_null_before(people):
    people.built()
    snapshot(people, "SELECT * FROM raw.people")
    people.built()
    people.sql("ALTER TABLE raw.people ADD COLUMN age INTEGER")
    people.sql("UPDATE raw.people SET age = 7 WHERE id = 1")
    people.built()
    assert history(people) == [
        (1, "ann", 7, 5, None),
        (1, "ann", None, 1, 5),
        (2, "bob", None, 1, None),
    ]


def test_versions_from_before_a_column_are_folded_with_null(people):
    people.sql("ALTER TABLE raw.people ADD COLUMN age INTEGER")
    people.sql("UPDATE raw.people SET age = 7 WHERE id = 1")
    snapshot(people, "SELECT id, age FROM raw.people")
    people.built()
    assert history(people) == [(1, 7, 3, None), (1, None, 1, 3), (2, None, 1, None)]


def test_types_widen_and_rows_are_kept(people):
    people.built()
    people.sql("UPDATE raw.people SET name = 'x' WHERE id = 1")
    people.built()
    snapshot(people, "SELECT id::BIGINT * 4000000000 AS id, name FROM raw.people")
    people.built()
    assert people.sql("SELECT DISTINCT typeof(id) FROM history") == [("BIGINT",)]
    assert [row[0] for row in history(people)] == [1, 1, 2, 4_000_000_000, 8_000_000_000]


def test_another_type_is_an_error_that_says_what_to_do(people):
    people.built()
    snapshot(people, "SELECT id, length(name) AS name FROM raw.people")
    [error] = people.plan().errors
    assert (error.code, error.exit_code, error.file) == ("type_changed", 2, "models/history.sql")
    assert (error.line, error.column) == (4, 28)
    assert "VARCHAR in the rows that the snapshot has, and BIGINT now" in error.message
    assert '"name"::VARCHAR AS "name"' in error.hint
    assert history(people) == [(1, "ann", 1, None), (2, "bob", 1, None)]


@pytest.mark.parametrize(
    ("text", "code", "place", "says"),
    [
        ("SELECT id, name AS valid_to FROM raw.people", "reserved_column", (4, 20), "valid_to"),
        ("SELECT id, Valid_From: name FROM raw.people", "reserved_column", (4, 12), "valid_from"),
        ("SELECT id FROM raw.people AT (VERSION => 0)", "at_in_snapshot", (4, 16), "AT"),
        ("SELECT id, now() AS t FROM raw.people", "time_dependent", (4, 12), "now()"),
        ("SELECT id, random() AS r FROM raw.people", "not_deterministic", (4, 12), "random()"),
        ("SELECT id FROM raw.people USING SAMPLE 1", "not_deterministic", None, "sample"),
        ("SELECT id FROM 'x.csv' t", "unversioned_input", (4, 16), "x.csv"),
        ("SELECT id FROM read_csv('x.csv') t", "unversioned_input", (4, 16), "read_csv"),
        ("SELECT name FROM raw.people", "unknown_column", (3, 12), "the key names"),
    ],
)
def test_a_text_that_can_be_no_snapshot_is_refused_at_its_place(people, text, code, place, says):
    snapshot(people, text)
    [error] = people.plan().errors
    assert (error.code, error.exit_code, error.file) == (code, 2, "models/history.sql")
    assert says in error.message
    assert place is None or (error.line, error.column) == place


def test_a_view_below_that_tells_the_time_is_refused(people):
    people.model("v", '-- model:\n-- kind = "view"\nSELECT id, now() AS t FROM raw.people')
    snapshot(people, "SELECT id, t FROM v")
    [error] = people.plan().errors
    assert (error.code, error.file) == ("time_dependent", "models/history.sql")
    assert "the view main.v" in error.message


def test_a_key_that_is_there_twice_fails_the_build_and_names_the_rows(people, ask):
    people.built()
    before = history(people)
    people.sql("INSERT INTO raw.people VALUES (2, 'bert'), (3, 'cid')")
    result = people.build()
    error = result.error
    assert (error.code, error.exit_code, error.file) == ("duplicate_key", 3, "models/history.sql")
    assert (error.line, error.column) == (3, 12)
    assert error.message == (
        "2 rows of main.history share their key (id)\n  id = 2, name = bert\n  id = 2, name = bob"
    )
    assert (result.commit, history(people)) == (None, before)
    # Mended, the version that told two things of one key is left out, and the others count.
    people.sql("DELETE FROM raw.people WHERE name = 'bob'")
    result = people.built()
    [warning] = result.warnings
    left_out = commits(people)[3].id[:7]
    assert warning == (
        f"main.history: commit {left_out} is left out: 2 rows of main.history share their key (id)"
    )
    assert history(people)[1:] == [(2, "bert", 4, None), (2, "bob", 1, 4), (3, "cid", 4, None)]


def test_null_is_a_key_like_any_other(people):
    people.sql("INSERT INTO raw.people VALUES (NULL, 'x')")
    people.built()
    people.sql("UPDATE raw.people SET name = 'y' WHERE id IS NULL")
    people.built()
    people.sql("INSERT INTO raw.people VALUES (3, NULL)")
    people.built()
    assert history(people, order="1 NULLS LAST, 2")[2:] == [
        (3, None, 6, None),
        (None, "x", 2, 4),
        (None, "y", 4, None),
    ]
    people.sql("INSERT INTO raw.people VALUES (NULL, 'z')")
    assert "id = NULL, name = y" in people.build().error.message


def test_another_key_holds_for_what_comes(people):
    people.built()
    snapshot(people, "SELECT id, name FROM raw.people", key='["name"]')
    people.built()
    people.sql("UPDATE raw.people SET id = 1")
    people.built()
    assert history(people) == [(1, "ann", 1, None), (1, "bob", 4, None), (2, "bob", 1, 4)]


def test_it_is_never_rebuilt_but_on_purpose(people, ask):
    people.sql("UPDATE raw.people SET name = 'x' WHERE id = 1")
    people.built()
    snapshot(people, "SELECT id, upper(name) AS name FROM raw.people")
    people.model("other", "SELECT 1 AS one")
    with pytest.raises(CrannogError) as raised:
        people.built(full=True)
    assert (raised.value.code, raised.value.exit_code) == ("snapshot_never_rebuilt", 2)
    assert "--forget-history" in raised.value.hint
    people.built("other", full=True)
    with pytest.raises(CrannogError) as raised:
        people.build(forget_history=True)
    assert raised.value.code == "forget_without_full"
    planned = ask.of(people.plan(full=True, forget_history=True), "main.history")
    assert planned.action == "rebuild"
    assert planned.because == "requested: --full --forget-history; 2 commits of raw.people"
    people.built(full=True, forget_history=True)
    assert history(people) == [(1, "ANN", 1, 2), (1, "X", 2, None), (2, "BOB", 1, None)]
    assert people.built().commit is None


def test_a_snapshot_becomes_a_table_only_on_purpose_and_a_table_a_snapshot(people, ask):
    people.model("history", "SELECT id, name FROM raw.people")
    people.built()
    snapshot(people, "SELECT id, name FROM raw.people")
    planned = ask.of(people.plan(), "main.history")
    assert (planned.action, planned.because) == (
        "create",
        "meaning_changed: models/history.sql:1: it was a model; 1 commit of raw.people",
    )
    people.built()
    assert history(people) == [(1, "ann", 1, None), (2, "bob", 1, None)]
    people.model("history", "SELECT id, name FROM raw.people")
    with pytest.raises(CrannogError) as raised:
        people.built()
    assert (raised.value.code, raised.value.exit_code) == ("snapshot_never_rebuilt", 2)
    people.built(full=True, forget_history=True)
    assert people.rows("history") == [(1, "ann"), (2, "bob")]


def test_a_build_that_fails_leaves_it_as_it_was(people, ask):
    people.built()
    before = history(people)
    people.sql("UPDATE raw.people SET name = 'x' WHERE id = 1")
    snapshot(people, "SELECT id, name FROM raw.people", more="-- tests = [\"name <> 'x'\"]\n")
    assert people.build().error.code == "test_failed"
    assert history(people) == before
    snapshot(people, "SELECT id, name FROM raw.people")
    people.built()
    assert history(people)[:2] == [(1, "ann", 1, 3), (1, "x", 3, None)]


def test_a_version_on_which_the_text_fails_is_left_out_once_it_is_past(people):
    snapshot(people, "SELECT id, name::INTEGER AS n FROM raw.people")
    error = people.build().error
    assert (error.code, error.file, error.line) == ("conversion_error", "models/history.sql", 4)
    people.sql("UPDATE raw.people SET name = '5'")
    [warning] = people.built().warnings
    assert "is left out: " in warning
    assert history(people) == [(1, 5, 2, None), (2, 5, 2, None)]


def test_a_version_that_could_not_be_read_for_now_is_never_left_out(people, monkeypatch):
    from crannog.engine.snapshots.fold import Fold

    people.sql("UPDATE raw.people SET name = 'a' WHERE id = 1")
    people.sql("UPDATE raw.people SET name = 'b' WHERE id = 1")
    run, calls = Fold._run, []

    def fails(self, text, place):
        calls.append(text)
        if len(calls) == 2:
            raise QueryError("out_of_memory", "the memory limit was reached")
        run(self, text, place)

    with monkeypatch.context() as patch:
        patch.setattr(Fold, "_run", fails)
        result = people.build()
    assert (result.error.code, result.commit, len(calls)) == ("out_of_memory", None, 2)
    assert people.built().warnings == ()
    assert [row[1] for row in history(people)] == ["a", "ann", "b", "bob"]


def test_snapshots_of_snapshots_take_their_times(people):
    snapshot(people, "SELECT id, name FROM history WHERE valid_to IS NULL", name="second")
    people.built()
    people.sql("UPDATE raw.people SET name = 'a' WHERE id = 1")
    people.built()
    assert history(people, "second") == [(1, "a", 4, None), (1, "ann", 2, 4), (2, "bob", 2, None)]
    assert people.built().commit is None


def test_a_branch_goes_on_and_a_merge_is_one_step(people):
    people.built()
    branch(people, "dev")
    people.sql("UPDATE raw.people SET name = 'dev' WHERE id = 1", branch="dev")
    people.built(branch="dev")
    assert history(people, branch="dev")[:2] == [(1, "ann", 1, 3), (1, "dev", 3, None)]
    people.sql("CREATE TABLE raw.other AS SELECT 1 AS x")
    Lake.open(open_store(people.lake, {})).merge("dev", "main", "me")
    # What the branch has folded comes as it is; nothing is left to do on main.
    assert len(people.rows("history")) == 3
    assert people.built().commit is None
    people.sql("UPDATE raw.people SET name = 'more' WHERE id = 1")
    people.built()
    assert people.sql("SELECT name FROM history WHERE id = 1 ORDER BY valid_from") == [
        ("ann",), ("dev",), ("more",)]  # fmt: skip
    assert people.built().commit is None


def test_what_a_merge_brings_is_one_step_of_the_branch(people):
    people.built()
    branch(people, "dev")
    for name in ("a", "b"):
        people.sql(f"UPDATE raw.people SET name = '{name}' WHERE id = 1", branch="dev")
    people.sql("CREATE TABLE raw.other AS SELECT 1 AS x")
    Lake.open(open_store(people.lake, {})).merge("dev", "main", "me")
    people.built()
    assert history(people) == [(1, "ann", 1, 4), (1, "b", 4, None), (2, "bob", 1, None)]


def test_a_reverted_build_comes_back_the_same(people):
    people.sql("UPDATE raw.people SET name = 'a' WHERE id = 1")
    people.built()
    people.sql("UPDATE raw.people SET name = 'b' WHERE id = 1")
    people.sql("UPDATE raw.people SET name = 'c' WHERE id = 1")
    build = people.built().commit
    kept = history(people)
    with connect(people.lake) as session:
        session.revert(build)
    assert history(people)[:2] == [(1, "a", 2, None), (1, "ann", 1, 2)]
    people.built()
    assert history(people) == kept
    assert people.built().commit is None


def test_a_reverted_load_is_a_step_back(people):
    people.built()
    people.sql("UPDATE raw.people SET name = 'a' WHERE id = 1")
    with connect(people.lake) as session:
        session.revert("main")
    people.built()
    assert history(people)[:2] == [(1, "a", 3, 4), (1, "ann", 1, 3)]
    assert history(people)[2:3] == [(1, "ann", 4, None)]


def test_a_renamed_input_loses_no_step(people):
    people.built()
    people.sql("UPDATE raw.people SET name = 'a' WHERE id = 1")
    people.sql("ALTER TABLE raw.people RENAME TO persons")
    people.sql("UPDATE raw.persons SET name = 'b' WHERE id = 1")
    snapshot(people, "SELECT id, name FROM raw.persons")
    people.built()
    assert history(people)[:3] == [(1, "a", 3, 5), (1, "ann", 1, 3), (1, "b", 5, None)]


def test_a_table_that_is_gone_for_a_while_changes_nothing(people):
    people.built()
    people.sql("DROP TABLE raw.people")
    people.sql("CREATE TABLE raw.people AS SELECT 1 AS id, 'ann' AS name")
    people.built()
    assert history(people) == [(1, "ann", 1, None), (2, "bob", 1, 4)]


def during(work, name, action):
    def listener(event):
        if type(event).__name__ == "ModelFinished" and event.name == name:
            action()

    return work.build(listener=listener)


def test_a_load_during_the_build_comes_with_the_next_one(people):
    people.built()
    people.sql("UPDATE raw.people SET name = 'a' WHERE id = 1")
    result = during(
        people, "main.history", lambda: people.sql("UPDATE raw.people SET name = 'b' WHERE id = 1")
    )
    assert result.errors == ()
    assert history(people)[:2] == [(1, "a", 3, None), (1, "ann", 1, 3)]
    people.built()
    assert history(people)[:3] == [(1, "a", 3, 4), (1, "ann", 1, 3), (1, "b", 4, None)]


def test_a_commit_before_the_one_that_a_fold_speaks_of_lets_it_wait(people, ask):
    people.model("staging.people", "SELECT id, name FROM raw.people")
    snapshot(people, "SELECT id, name FROM staging.people")
    people.model("after", "SELECT * FROM history")
    result = during(
        people, "main.history", lambda: people.sql("CREATE TABLE raw.other AS SELECT 1 AS x")
    )
    assert result.errors == ()
    assert ask.statuses(result) == {
        "staging.people": "ok",
        "main.history": "unchanged",
        "main.after": "unchanged",
    }
    assert "the next build folds that too" in ask.of(result, "main.history").because
    people.built()
    assert history(people) == [(1, "ann", 3, None), (2, "bob", 3, None)]
    assert people.built().commit is None


def test_others_publish_meanwhile_and_its_rows_get_a_later_time(people, ask):
    people.model("staging.people", "SELECT id, name FROM raw.people")
    snapshot(people, "SELECT id, name FROM staging.people")
    snapshot(people, "SELECT id, name FROM staging.people WHERE id = 1", name="one")
    people.built()
    people.sql("UPDATE raw.people SET name = 'a' WHERE id = 1")
    told = []

    def other(event):
        told.append(people.sql("INSERT INTO raw.people VALUES (3, 'cid')"))

    def listener(event):
        if type(event).__name__ == "ModelFinished" and not told and event.name == "main.one":
            other(event)

    result = people.build(listener=listener)
    assert result.errors == ()
    assert set(ask.statuses(result).values()) == {"ok"}
    assert history(people) == [(1, "a", 5, None), (1, "ann", 2, 5), (2, "bob", 2, None)]
    assert history(people, "one") == [(1, "a", 5, None), (1, "ann", 2, 5)]
    people.built()
    assert history(people)[-1] == (3, "cid", 6, None)
    assert people.built().commit is None


def test_a_snapshot_is_told_as_one_everywhere(people):
    people.built()
    assert people.sql("SELECT kind FROM crannog.tables WHERE name = 'history'") == [("snapshot",)]
    found = people.sql("SELECT kind, key FROM crannog.models WHERE name = 'history'")
    assert found == [("snapshot", ["id"])]
    for text in ("DELETE FROM history", "INSERT INTO history SELECT * FROM history"):
        with pytest.raises(CrannogError) as raised:
            people.sql(text)
        assert (raised.value.code, raised.value.exit_code) == ("table_is_a_model", 2)
    assert people.sql("SELECT count(*) FROM history AT (VERSION => 0)") == [(2,)]


def test_a_snapshot_reads_a_seed(work):
    work.file("seeds/s.csv", "id,name\n1,a\n2,b\n")
    snapshot(work, "SELECT id, name FROM s")
    work.built()
    work.file("seeds/s.csv", "id,name\n1,c\n2,b\n")
    work.built()
    assert history(work) == [(1, "a", 1, 2), (1, "c", 2, None), (2, "b", 1, None)]


def test_one_without_inputs_has_one_version(work):
    snapshot(work, "SELECT 1 AS id, 'x' AS name")
    work.built()
    assert history(work) == [(1, "x", 1, None)]
    assert work.built().commit is None


def test_times_are_those_of_commits_in_microseconds(people):
    people.built()
    time = commits(people)[1].time
    assert time.tzinfo is not None
    [(found,)] = people.sql("SELECT DISTINCT valid_from FROM history")
    assert found.astimezone(UTC) == time


def test_many_builds_leave_few_files(people):
    for number in range(12):
        people.sql(f"UPDATE raw.people SET name = 'n{number}' WHERE id = 1")
        people.sql(f"INSERT INTO raw.people VALUES ({number + 10}, 'x')")
        people.built()
    [(files, rows)] = people.sql("SELECT files, rows FROM crannog.tables WHERE name = 'history'")
    assert rows == 26
    assert files < 16
    assert len({row[:2] for row in history(people)}) == 26


@pytest.mark.parametrize("lake_url", ["s3"], indirect=True)
def test_snapshots_work_on_s3(people):
    people.built()
    people.sql("UPDATE raw.people SET name = 'a' WHERE id = 1")
    people.built()
    assert [row[:2] for row in people.rows("history")] == [(1, "a"), (1, "ann"), (2, "bob")]


@pytest.mark.parametrize("follow", [False, True])
def test_a_snapshot_reads_an_adopted_table(work, ask, tmp_path, follow):
    import pyarrow
    from deltalake import write_deltalake

    def write(**columns):
        write_deltalake(tmp_path / "theirs", pyarrow.table(columns), mode="overwrite")

    write(id=[1, 2], name=["ann", "bob"])
    with connect(work.lake) as session:
        session.adopt("raw.people", tmp_path / "theirs", follow=follow)
    snapshot(work, "SELECT id, name FROM raw.people")
    work.built()
    write(id=[1, 2], name=["ann", "bert"])
    if follow:
        assert ask.of(work.plan(), "main.history").action == "merge"
    else:
        assert ask.of(work.plan(), "main.history").action == "skip"
        with connect(work.lake) as session:
            session.adopt("raw.people", refresh=True)
    work.built()
    assert history(work) == [(1, "ann", 1, None), (2, "bert", 3, None), (2, "bob", 1, 3)]
    assert work.built().commit is None


def test_the_program_plans_and_refuses_with_the_usual_keys(people, crannog):
    def ran(*words, code=0):
        return crannog(*words, "--json", "--lake", people.lake, cwd=people.root, code=code).json()

    [model] = ran("plan")["models"]
    assert (model["kind"], model["action"], model["strategy"]) == ("snapshot", "create", "fold")
    assert (model["key"], model["reason"]) == (["id"], "first_build")
    [model] = ran("build")["models"]
    assert (model["status"], model["rows"], model["rows_added"]) == ("ok", 2, 2)
    assert ran("describe", "history")["key"] == ["id"]
    refused = ran("build", "--full", code=2)["error"]
    assert (refused["code"], refused["file"]) == ("snapshot_never_rebuilt", "models/history.sql")
    assert ran("build", "--forget-history", code=2)["error"]["code"] == "forget_without_full"
    assert ran("plan", "--full", "--forget-history")["models"][0]["action"] == "rebuild"
    again = ran("build", "--full", "--forget-history")["models"]
    assert [(m["action"], m["rows_added"], m["rows_removed"]) for m in again] == [("rebuild", 2, 2)]
    assert ran("log", "history")[0]["tables"][0]["kind"] == "snapshot"


def test_an_input_that_went_away_and_came_back_was_away(work, tmp_path):
    place = str(tmp_path / "theirs")
    deltalake.write_deltalake(place, pyarrow.table({"id": [1]}))
    deltalake.write_deltalake(place, pyarrow.table({"id": [2]}), mode="append")
    with connect(work.lake) as session:
        session.adopt("raw.a", place)
    work.model("main.s", '-- model:\n-- kind = "snapshot"\n-- key = ["id"]\nSELECT id FROM raw.a')
    work.build()
    with connect(work.lake) as session:
        session.adopt("raw.a", version=0)
        session.adopt("raw.a", refresh=True)
    work.build()
    assert [row[0] for row in work.sql("SELECT id FROM s ORDER BY id, valid_from")] == [1, 2, 2]
    assert work.build().commit is None
