"""`snndeploy bench`: how fast the simulator is on this machine, beside snnTorch, Lava and the reference."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated, Any

import typer

from snndeploy.cli._output import Json, print_json, print_table, progress
from snndeploy.errors import BadInput, Missing

if TYPE_CHECKING:
    from snndeploy.bench.measure import Plan, Row
    from snndeploy.bench.roofline import Roofline

COLUMNS = (
    "net",
    "batch",
    "input",
    "active",
    "µs",
    "snnTorch",
    "all",
    "Lava",
    "ref",
    "Gsyn/s",
    "Gupd/s",
    "roof",
)
LEGEND = """\
input, active: share of inputs and of neurons that spike in a step; µs: a sample-step, one thread
snnTorch, Lava, ref: how many times faster than snnTorch in float, than Lava (net a, one sample, its
simulation only), than the reference; of one thread each, but for Lava's processes
all: how many times faster than snnTorch by the clock, with all cores ({cores} here)
Gsyn/s, Gupd/s: synaptic operations, neuron updates in 1e9/s; roof: share of what a core could do"""


def command(
    nets: Annotated[str, typer.Option("--nets", help="The nets to measure, by letter.")] = "a,b,c,d,e",
    quick: Annotated[bool, typer.Option("--quick", help="One configuration of each net, few repeats.")] = False,
    as_json: Json = False,
) -> None:
    """Measure the simulator beside snnTorch, Lava and the reference.

    All in one run, in turns, a few minutes: what counts are the ratios. docs/speed.md says how to read them.
    """
    from snndeploy.bench import measure
    from snndeploy.bench.nets import NETS
    from snndeploy.bench.roofline import Roofline
    from snndeploy.extras import extras
    from snndeploy.simulators.fast import threads

    letters = list(dict.fromkeys(nets.split(",")))
    unknown = [letter for letter in letters if letter not in NETS]
    if unknown:
        raise BadInput("--nets", f"expected letters of {','.join(NETS)}, found {nets!r}")
    with extras():
        import snntorch  # noqa: F401  (before minutes of measuring, not after)
    plan, roofline = measure.QUICK if quick else measure.FULL, Roofline()
    configurations, scaling = measure.configurations(letters, plan), measure.scaling(plan)
    with progress("measuring", 1 + len(configurations) + len(scaling)) as advance:
        lava, reason = _lava_step(letters, plan)
        advance(1)
        rows = []
        for letter, batch, density in configurations:
            rows.append(measure.row(letter, batch, density, plan, roofline, lava if letter == "a" else None))
            advance(1)
        scaled = {}
        for name, measured in scaling.items():
            scaled[name] = measured()
            advance(1)
    report: dict[str, Any] = {
        "cores": threads(),
        "nets": {letter: NETS[letter].text for letter in letters},
        "rows": [dataclasses.asdict(row) for row in rows],
        "lava": {"seconds": lava, "reason": reason},
        "scaling": scaled,
        "peaks": _peaks(roofline),
    }
    if as_json:
        print_json(report)
    else:
        _print(report, rows)


def _lava_step(letters: list[str], plan: Plan) -> tuple[float | None, str]:
    """Seconds of a step in Lava, or why there are none."""
    from snndeploy.bench.measure import lava_step

    if "a" not in letters:
        return None, "it is measured on net a, which was not asked for"
    try:
        return lava_step(plan), ""
    except Missing as error:
        return None, error.lines()[0]


def _peaks(roofline: Roofline) -> dict[str, float]:
    """Each peak of one core, per second."""
    peaks = {f"synaptic operations, {size} bytes of weights": rate for size, rate in sorted(roofline.synaptic.items())}
    names = {False: "updates without synaptic memory", True: "updates with synaptic memory"}
    return {**peaks, **{names[memory]: rate for memory, rate in sorted(roofline.updates.items())}}


def _print(report: dict[str, Any], rows: list[Row]) -> None:
    cells = []
    for row in rows:
        active = sum(row.activity.values()) / len(row.activity)
        lava = _short(row.lava) if row.lava else "-" if row.net != "a" else "missing"
        ratios = (_short(row.snntorch), _short(row.snntorch_all), lava, _short(row.reference))
        rates = (_short(row.synaptic_rate / 1e9), _short(row.update_rate / 1e9), f"{row.roofline:.0%}")
        shape = (row.net, row.batch, f"{row.density:.0%}", f"{active:.0%}", _short(1e6 * row.seconds))
        cells.append((*shape, *ratios, *rates))
    print_table(COLUMNS, cells)
    print(LEGEND.format(cores=report["cores"]))
    print("\n".join(f"net {letter}: {text}" for letter, text in report["nets"].items()))
    if report["lava"]["reason"]:
        print(f"Lava was not measured: {report['lava']['reason']}")
    print_table(("the engine alone", ""), [_scaled(*line) for line in report["scaling"].items()])
    peaks = [(name, f"{_short(rate / 1e9)} G/s") for name, rate in report["peaks"].items()]
    print_table(("peaks of one core", ""), peaks)


def _scaled(name: str, value: float) -> tuple[str, str]:
    """A line of the second table in units that read well."""
    unit, _, rest = name.partition(" ")
    if unit == "seconds":
        return f"µs {rest}", _short(1e6 * value)
    return (f"MB {rest}", _short(value / 1e6)) if unit == "bytes" else (name, _short(value))


def _short(value: float) -> str:
    """Three digits that count, never an exponent."""
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.{2 if value < 10 else 1}f}" if value >= 0.1 else f"{value:.3f}"
