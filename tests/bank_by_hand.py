"""A bank of right and wrong passes written by hand, to test gradcheck. Its author did not look at gradcheck's hypotheses.
Regular expressions judge the reports, so read them once with --verbose.

    python tests/bank_by_hand.py [--seed S] [--draws N] [--only NAME] [--later] [--verbose]
"""

from __future__ import annotations

import argparse
import sys
import zlib
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]

import bank_by_hand_gates as gates  # noqa: E402
import bank_by_hand_gru as gru  # noqa: E402
import bank_by_hand_later as later  # noqa: E402
import bank_by_hand_layers as layers  # noqa: E402
import bank_by_hand_losses as losses  # noqa: E402
import bank_by_hand_mistakes_beyond as beyond  # noqa: E402
import bank_by_hand_mistakes_gates as of_gates  # noqa: E402
import bank_by_hand_mistakes_later as of_later  # noqa: E402
import bank_by_hand_mistakes_rnn as of_rnn  # noqa: E402
import bank_by_hand_rnn as rnn  # noqa: E402
import bank_by_hand_rnn2 as rnn2  # noqa: E402
from bank_by_hand_judge import LOCATED, MISLEADING, NAMED, OTHER, SILENT, UNCAUGHT, drawn, judge  # noqa: E402
from bank_by_hand_kinds import Draw, planted  # noqa: E402

MODULES = {kind.name: module for module in (rnn, rnn2, gates, gru, losses, layers, later) for kind in module.KINDS}
RIGHT = [kind for module in (rnn, rnn2, gates, gru, losses, layers) for kind in module.KINDS]
WRONG = [*of_rnn.MISTAKES, *of_gates.MISTAKES, *beyond.MISTAKES]
KIND = {kind.name: kind for kind in [*RIGHT, *later.KINDS]}


def run_right(kinds: list, seed: int, draws: int, verbose: bool) -> int:
    """How many right passes are not ok."""
    verdicts: Counter = Counter()
    for kind in kinds:
        for n in range(draws):
            inputs = kind.draw(Draw(np.random.default_rng([seed, zlib.crc32(kind.name.encode()), n])))
            try:
                report = kind.check(inputs, seed + n)
                verdict = report.verdict
            except TypeError as error:
                if "nothing to check" not in str(error):
                    raise
                report, verdict = error, "nothing to check"
            verdicts[verdict] += 1
            if verbose or verdict not in ("ok", "nothing to check"):
                print(f"--- right: {kind.name}, draw {n}, seed {seed}: {verdict}\n{report}\n")
            elif getattr(report, "notes", []):
                verdicts[f"(with a note) {kind.name}: {'; '.join(text for _, text in report.notes)}"] += 1
    print(f"right passes: {len(kinds)} kinds, {draws} draws each")
    for verdict, number in verdicts.most_common():
        print(f"  {number:5d}  {verdict}")
    return sum(number for verdict, number in verdicts.items() if verdict in ("WRONG", "INCONCLUSIVE", "UNSEEN"))


def run_wrong(mistakes: list, seed: int, draws: int, verbose: bool) -> int:
    """How many right passes are not ok at the same inputs."""
    table: dict[str, Counter] = defaultdict(Counter)
    misleading, missed, alarms = [], [], 0
    for mistake in mistakes:
        right, module = KIND[mistake.kind], MODULES[mistake.kind]
        wrong, count = planted(mistake, module), table[mistake.family]
        count["mistakes"] += 1
        for n in range(draws):
            inputs, names = drawn(right, wrong, (module,), [seed, zlib.crc32(mistake.id.encode()), n])
            if not (report := right.check(inputs, seed + n)):
                alarms += 1
                where = f"{right.name}, at the inputs of {mistake.id}, draw {n}, seed {seed}"
                print(f"--- right: {where}: {report.verdict}\n{report}\n")
            report = wrong.check(inputs, seed + n)
            judged = judge(mistake, report, names)
            verdicts = [verdict for verdict, _ in judged.rows.values()]
            count["draws"] += 1
            count["caught"] += judged.caught and UNCAUGHT not in verdicts
            for verdict in verdicts:
                count["rows"] += 1
                count[verdict] += 1
            good = [verdict in (NAMED, LOCATED) for verdict in verdicts]
            count["all"] += all(good)
            count["some"] += any(good) and not all(good)
            count["misled"] += MISLEADING in verdicts
            misleading += [(mistake, name, text) for name, (verdict, text) in judged.rows.items() if verdict == MISLEADING]
            missed += [(mistake, n, name) for name, (verdict, _) in judged.rows.items() if verdict == UNCAUGHT]
            missed += [(mistake, n, name) for name in judged.extra]
            if verbose:
                print(f"--- {mistake.id} ({mistake.family}; {mistake.kind}), draw {n}: {mistake.what}")
                print(report)
                for name, (verdict, text) in judged.rows.items():
                    print(f"    => {name}: {verdict}{': ' + text if text else ''}")
                print()
    print_table(table)
    for mistake, name, text in {(m.id, name, text): (m, name, text) for m, name, text in misleading}.values():
        print(f"misleading: {mistake.id} ({mistake.what}), {name}: {text}")
    for mistake, n, name in missed:
        print(f"VERDICT: {mistake.id}, draw {n}, seed {seed}: {name}")
    return alarms


COLUMNS = ("mistakes", "draws", "caught", "all", "some", "misled", "rows", NAMED, LOCATED, SILENT, OTHER, MISLEADING, UNCAUGHT)


def print_table(table: dict[str, Counter]) -> None:
    print("\nwrong passes: draws in which they are caught, with every wrong row named or located (all), some of them, or a row "
          "that misleads (misled); then the wrong rows")
    total: Counter = Counter()
    for count in table.values():
        total.update(count)
    print(f"{'family':24}" + "".join(f"{column:>11}" for column in COLUMNS))
    for family, count in [*table.items(), ("total", total)]:
        print(f"{family:24}" + "".join(f"{count[column]:11d}" for column in COLUMNS))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--draws", type=int, default=2)
    parser.add_argument("--only", default="", help="kinds, families or mistakes whose name has this in it")
    parser.add_argument("--verbose", action="store_true", help="print every report")
    parser.add_argument("--later", action="store_true", help="the third bank instead")
    given = parser.parse_args()
    right, wrong = (later.KINDS, of_later.MISTAKES) if given.later else (RIGHT, WRONG)
    alarms = run_right([k for k in right if given.only in k.name], given.seed, given.draws, given.verbose)
    mistakes = [m for m in wrong if given.only in m.id or given.only in m.family or given.only in m.kind]
    alarms += run_wrong(mistakes, given.seed, given.draws, given.verbose)
    return min(alarms, 1)


if __name__ == "__main__":
    sys.exit(main())
