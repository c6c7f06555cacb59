"""The house: what the documents say is what the code does."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from typer.main import get_group

from opendrape.adapters.policy_files import policy_names
from opendrape.cli.main import COMMANDS, GROUPS, app_for
from opendrape.settings import shipped
from tests.unit.house.test_tracked_files import ROOT, script


@pytest.mark.parametrize("name", ["settings.md", "states.md"])
def test_generated_pages_are_what_the_code_says(name: str) -> None:
    """House style 9 and 12: every setting documented, the diagram of states generated from the table."""
    assert (ROOT / "docs" / name).read_text("utf-8") == script("generated_docs").pages()[name], "run `make docs`"


def test_every_setting_has_a_description() -> None:
    """House style 9."""
    rows = [line for line in script("generated_docs").pages()["settings.md"].splitlines() if line.startswith("| `")]
    assert len(rows) > 30
    assert [row for row in rows if row.rstrip(" |").endswith("|") or row.split("|")[3].strip() == ""] == []


def test_the_readme_names_every_command() -> None:
    """C-01."""
    readme = (ROOT / "README.md").read_text("utf-8")
    for name, command in get_group(app_for((*COMMANDS, *GROUPS))).commands.items():
        for inner in getattr(command, "commands", None) or ("",):
            assert f"{name} {inner}".strip() in readme, f"{name} {inner}"


def test_the_readme_names_every_policy() -> None:
    """V-01."""
    readme = (ROOT / "README.md").read_text("utf-8")
    assert [name for name in policy_names((shipped("policies"),)) if f"`{name}`" not in readme] == []


def test_every_link_between_our_pages_leads_somewhere() -> None:
    pages = [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("services/*/README.md"),
        *ROOT.glob("deploy/**/*.md"),
    ]
    dead = []
    for page in pages:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8")):
            if not (page.parent / target).exists():
                dead.append(f"{page.relative_to(ROOT)} -> {target}")
    assert dead == []


def test_make_without_a_goal_lists_the_goals() -> None:
    """Issue: the Makefile has help, and every goal for people is in it."""
    said = subprocess.run(["make", "-s"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for goal in ("run", "test", "test-long", "check", "fmt", "bench", "servers", "cluster", "clean", "lock", "docs"):
        assert re.search(rf"^  {goal} +\S", said, re.MULTILINE), goal


def test_no_cluster_is_an_answer_not_an_error_trace() -> None:
    """`make cluster-status` without a cluster says so and fails."""
    done = subprocess.run(["make", "-s", "cluster-status"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode != 0
    assert "not up" in done.stdout
    assert "Traceback" not in done.stderr


def test_ci_runs_servers_check_and_test_and_keeps_the_exit_code() -> None:
    script_text = Path(ROOT / ".ci" / "run").read_text("utf-8")
    assert "set -euo pipefail" in script_text
    assert "make servers && make check && make test" in script_text
