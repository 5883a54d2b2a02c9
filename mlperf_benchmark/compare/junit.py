"""The gate's verdicts as JUnit XML, which continuous integration shows."""

from collections import Counter
from xml.etree import ElementTree

from mlperf_benchmark.compare.gate import NOT_JUDGED, SKIPPED, WORSE, GateReport

# JUnit's element for each status; what is OK has none.
ELEMENTS = {WORSE: "failure", NOT_JUDGED: "error", SKIPPED: "skipped"}


def render(report: GateReport) -> str:
    """One test case a verdict; what was not judged is an error."""
    verdicts = report.verdicts
    counts = Counter(verdict.status for verdict in verdicts)
    suite = ElementTree.Element(
        "testsuite",
        name="compare.py check",
        tests=str(len(verdicts)),
        failures=str(counts[WORSE]),
        errors=str(counts[NOT_JUDGED]),
        skipped=str(counts[SKIPPED]),
    )
    for verdict in verdicts:
        case = ElementTree.SubElement(
            suite,
            "testcase",
            classname=verdict.scenario,
            name=f"{verdict.name}: {verdict.subject}",
            time="0",
        )
        element = ELEMENTS.get(verdict.status)
        if element is not None:
            ElementTree.SubElement(case, element, message=verdict.message)
        else:
            ElementTree.SubElement(case, "system-out").text = verdict.message
    if report.remarks:
        ElementTree.SubElement(suite, "system-out").text = "\n".join(report.remarks)
    ElementTree.indent(suite)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(suite, "unicode") + "\n"
    )
