"""A new project that builds as it stands: a seed, two models, a test."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from crannog.engine.config_file import FILE, config_in, redact
from crannog.errors import CrannogError, UsageError

_CONFIG = """\
name = {name}                     # the project: the models that it builds belong to it

[lake]
url = {url}                       # a path or s3://, az://, gs://

# [storage]                       # for an S3 lake; secrets only like this:
# endpoint_url = "http://localhost:9000"
# access_key_id = "${{env:AWS_ACCESS_KEY_ID}}"
# secret_access_key = "${{env:AWS_SECRET_ACCESS_KEY}}"

# [vars]                          # read in SQL as getvariable('currency')
# currency = "EUR"

# [profiles.prod.lake]            # crannog build --profile prod
# url = "s3://bucket/lake"
"""

_FILES = {
    "seeds/raw/orders.csv": """\
order_id,ordered_at,customer,amount,status
1,2026-01-05 09:12:00,ada,120.00,paid
2,2026-01-05 14:40:00,ben,75.50,paid
3,2026-01-06 08:01:00,ada,20.00,refunded
4,2026-01-06 19:30:00,cleo,310.25,paid
5,2026-01-07 11:15:00,ben,64.00,paid
""",
    "models/staging/orders.sql": """\
-- Orders with a day, one row each.
-- model:
-- key = ["order_id"]
-- tests = ["unique(order_id)", "not_null(amount)", "accepted_values(status, 'paid', 'refunded')"]
SELECT
    order_id,
    ordered_at::DATE AS order_date,   -- the day in UTC
    customer,
    amount::DECIMAL(12, 2) AS amount, -- what the customer paid
    status
FROM raw.orders
""",
    "models/marts/daily_revenue.sql": """\
-- Revenue per day, net of refunds.
-- model:
-- key = ["order_date"]
-- tests = ["unique(order_date)", "revenue >= 0"]
SELECT
    order_date,
    count(*) AS orders,
    sum(amount) AS revenue            -- refunded orders do not count
FROM staging.orders
WHERE status <> 'refunded'
GROUP BY order_date
""",
    "tests/revenue_adds_up.sql": """\
-- What is paid in all is the revenue of all days: a test passes if no row comes back.
SELECT paid, revenue
FROM (SELECT sum(amount) AS paid FROM staging.orders WHERE status <> 'refunded'),
     (SELECT sum(revenue) AS revenue FROM marts.daily_revenue)
WHERE paid <> revenue
""",
    "README.md": """\
# {title}

`crannog plan` says what a build would do, `crannog build` does it,
`crannog sql "FROM marts.daily_revenue"` looks at the result.
""",
}


@dataclass(frozen=True, slots=True)
class NewProject:
    """Say what was made and where."""

    root: Path
    name: str
    lake: str
    files: tuple[str, ...]


def init(folder: Path, *, lake: str | None = None) -> NewProject:
    """Make a project in a folder; files that are there already stay as they are."""
    root = Path.cwd() / folder
    if root.exists() and not root.is_dir():
        raise UsageError("not_a_folder", f"{str(folder)!r} is a file", hint="name a folder")
    existing = config_in(root) if root.is_dir() else None
    if existing is not None:
        raise UsageError(
            "project_exists",
            f"{str(folder)!r} is a project already: it has {existing.shown}",
            hint="change that file, or name another folder",
        )
    name = project_name(root.resolve().name)
    url = _from_root(lake, root) if lake else "./lake"
    try:
        made = [shown for shown, text in _FILES.items() if _write(root, shown, text, name)]
        if _ignore_lake(root, url):
            made.append(".gitignore")
        text = _CONFIG.format(name=_toml(name), url=_toml(url))
        (root / FILE).write_text(text, encoding="utf-8")
    except OSError as error:
        raise CrannogError(
            "cannot_write", f"{error.filename or folder} cannot be written: {error.strerror}"
        ) from None
    return NewProject(root, name, redact(url), (FILE, *made))


def project_name(folder: str) -> str:
    """Return a project's name for a folder's.

    >>> project_name("My Shop"), project_name("sql"), project_name("")
    ('My_Shop', 'sql_project', 'project')
    """
    name = re.sub(r"[^\w.-]+", "_", folder).strip("_") or "project"
    return "sql_project" if name == "sql" else name


def _from_root(lake: str, root: Path) -> str:
    """Return a lake's path as the new file has it: relative to the project, if it lies inside."""
    if "://" in lake:
        return lake
    path = Path(os.path.abspath(Path(lake).expanduser()))
    inside = path.is_relative_to(os.path.abspath(root))
    return f"./{path.relative_to(os.path.abspath(root)).as_posix()}" if inside else str(path)


def _write(root: Path, shown: str, text: str, name: str) -> bool:
    path = root / shown
    if path.exists():
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    content = text.format(title=name) if shown == "README.md" else text
    path.write_text(content, encoding="utf-8")
    return True


def _ignore_lake(root: Path, url: str) -> bool:
    """Keep a lake inside the project out of git."""
    if not url.startswith("./"):
        return False
    folder = url.removeprefix("./")
    path = root / ".gitignore"
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
    if any(line.strip().strip("/") == folder for line in lines):
        return False
    with path.open("a", encoding="utf-8") as out:
        if lines and path.read_bytes()[-1:] != b"\n":
            out.write("\n")
        out.write(f"/{folder}/\n")
    return True


def _toml(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
