"""Create the wandb workspace of the benchmark, with a section of numbers, audio and figures per task.

    python -m scripts.make_dashboard --entity my-team                        # after runs with logger=wandb
    python -m scripts.make_dashboard --entity my-team --results results/libri # its metrics, in its order
    python -m scripts.make_dashboard --entity my-team --json dashboard.json  # only write what would be sent

The script needs `pip install 'speech-token-benchmark[dashboard]'`, and a login (`wandb login`) unless --json
is given. Every run of the script adds another view and leaves existing views unchanged.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmark.errors import UserError
from benchmark.metrics.reported import MetricInfo
from benchmark.results.report.layouts import layouts
from benchmark.results.report.printed import heading
from benchmark.results.report.tables import make_table
from benchmark.results.row import Row
from benchmark.results.store import ResultsStore

BITRATE = "tokenizer/bitrate_kbps"
PER_ROW = 3
SOUND = {"reconstruction": "reconstructed", "voice_conversion": "converted"}
"""Name of the role of a task's decoded speech, by task."""


def shown(rows: Sequence[Row]) -> dict[str, dict[str, MetricInfo]]:
    """Return, by title of the section, the facts of its metrics by the names under which runs log them."""
    sections: dict[str, dict[str, MetricInfo]] = {}
    for name, layout in layouts(rows).items():
        table = None if layout.by_condition else make_table(name, rows, layout)
        if table is None:
            continue
        task = {row.metric: row.task for row in table.rows}
        sections[layout.title] = {f"{task[m]}/{m}": definition for m, definition in table.metrics.items()}
    return sections


def workspace(entity: str, project: str, name: str, sections: dict[str, dict[str, MetricInfo]]) -> Any:
    """Build the workspace as an object of the library wandb-workspaces.

    Raises: UserError if the library is not installed.
    """
    try:
        from wandb_workspaces import workspaces as ws
    except ImportError as error:
        raise UserError("wandb-workspaces: pip install 'speech-token-benchmark[dashboard]'") from error
    return ws.Workspace(
        entity=entity,
        project=project,
        name=name,
        sections=[
            ws.Section(
                name=title,
                panels=list(_panels(metrics)),
                is_open=number < 2,
                layout_settings=ws.SectionLayoutSettings(columns=PER_ROW, rows=3),
            )
            for number, (title, metrics) in enumerate(sections.items())
        ],
        runset_settings=ws.RunsetSettings(
            groupby=[ws.Config("tokenizer.name")],
            pinned_columns=["run:displayName", "config:tokenizer.name", "config:task.name"],
        ),
    )


def _panels(metrics: dict[str, MetricInfo]) -> Iterable[Any]:
    """Yield the panels of a section: per metric, bars by tokenizer and a scatter plot against the bitrate.

    Media and scores by utterance follow.
    """
    from wandb_workspaces.reports import v2 as wr

    for name, definition in metrics.items():
        title = heading(definition)
        yield wr.BarPlot(title=title, metrics=[name], groupby=wr.Config("tokenizer.name"), orientation="h")
        if definition.higher_is_better is not None:
            yield wr.ScatterPlot(
                title=f"{title} against the bitrate",
                x=wr.SummaryMetric(BITRATE),
                y=wr.SummaryMetric(name),
                log_x=True,
            )
    for task in dict.fromkeys(name.partition("/")[0] for name in metrics):
        if task == "codebook_usage":
            figures = [f"{task}/figures/{name}" for name in ("codebook_histogram", "codebook_growth")]
            yield wr.MediaBrowser(title="Codebooks", media_keys=figures)
            continue
        yield wr.WeavePanelSummaryTable(table_name=f"{task}/utterances")
        if made := SOUND.get(task):
            roles = [f"{task}/audio/{role}" for role in ("source", "prompt", made)]
            yield wr.MediaBrowser(title="To listen to", media_keys=roles)


def main(arguments: list[str] | None = None) -> int:
    """Create the workspace, or write its JSON; return 0, or 1 after a UserError."""
    parser = argparse.ArgumentParser(
        "python -m scripts.make_dashboard", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--entity", required=True, help="user or team of wandb's")
    parser.add_argument("--project", default="speech-token-benchmark")
    parser.add_argument("--name", default="Speech token benchmark")
    parser.add_argument(
        "--results", type=Path, default=Path("results/reference/mini"), help="folder whose metrics it shows"
    )
    parser.add_argument("--json", type=Path, help="write here what would be sent, and send nothing")
    given = parser.parse_args(arguments)
    try:
        sections = shown(ResultsStore(given.results).rows())
        if not sections:
            raise UserError(f"no results in {given.results}: it tells which metrics there are")
        made = workspace(given.entity, given.project, given.name, sections)
        if given.json:
            content = made._to_model().model_dump(mode="json", by_alias=True)
            given.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
            print(given.json)
        else:
            made.save()
            print(made.url)
    except UserError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
