"""The runner of documents notices when a document lies."""

from __future__ import annotations

import console_blocks

DOCUMENT = """\
# A document

```console
$ mkdir place && cd place
$ cat > greeting <<'END'
> hello
> END
$ cat greeting
hello
```

```sh
false
```

    ```console
    $ printf 'commit 0a1b2c3 took 0.2 s\\n'; printf 'more\\nlines\\n'
    commit 1234567 took 1.5 s
    ...
    ```
"""


def test_commands_run_in_one_folder_and_ids_and_times_may_differ(tmp_path):
    (tmp_path / "d.md").write_text(DOCUMENT)
    assert console_blocks.run(tmp_path / "d.md", tmp_path) == []


def test_other_output_is_told_with_its_place(tmp_path):
    (tmp_path / "d.md").write_text(DOCUMENT.replace("hello\n```", "goodbye\n```"))
    [complaint] = console_blocks.run(tmp_path / "d.md", tmp_path)
    assert complaint.startswith("d.md:8: $ cat greeting")
    assert "goodbye" in complaint


def test_missing_output_is_told():
    assert not console_blocks.matches(["a", "..."], ["b", "a"])
    assert console_blocks.matches(["..."], [])
    assert not console_blocks.matches([], ["surprise"])
