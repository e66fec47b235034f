"""What every command of the documentation needs, made once in the process that they are forked from."""

from contextlib import suppress
from importlib import import_module

MODULES = (
    "benchmark.jobs.build",
    "benchmark.jobs.cost.workload",
    "benchmark.metrics.evaluation.evaluate",
    "benchmark.results.report.page",
    "benchmark.results.report.write",
    "benchmark.tasks.asr_probe",
    "benchmark.tasks.codebook_usage",
    "benchmark.tasks.voice_conversion",
    "hydra_plugins.hydra_ray_launcher.ray_aws_launcher",
    "hydra_plugins.hydra_submitit_launcher.submitit_launcher",
    "lightning",
    "torch",
)
"""Each command would take 14 s of CPU to import them."""

for module in MODULES:
    with suppress(ImportError):  # launchers are extras
        import_module(module)
import_module("benchmark.results.report.page_charts").library()  # 3 s, and the same for all reports
