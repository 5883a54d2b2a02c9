"""The gate's verdicts as JUnit XML, which continuous integration shows."""

from xml.etree import ElementTree

from mlperf_benchmark.compare.gate import GateReport


def render(report: GateReport) -> str:
    """One test case a verdict."""
    verdicts = report.verdicts
    suite = ElementTree.Element(
        "testsuite",
        name="compare.py check",
        tests=str(len(verdicts)),
        failures=str(sum(verdict.passed is False for verdict in verdicts)),
        errors="0",
        skipped=str(sum(verdict.passed is None for verdict in verdicts)),
    )
    for verdict in verdicts:
        case = ElementTree.SubElement(
            suite,
            "testcase",
            classname=verdict.scenario,
            name=f"{verdict.name}: {verdict.subject}",
            time="0",
        )
        if verdict.passed is False:
            ElementTree.SubElement(case, "failure", message=verdict.message)
        elif verdict.passed is None:
            ElementTree.SubElement(case, "skipped", message=verdict.message)
        else:
            ElementTree.SubElement(case, "system-out").text = verdict.message
    if report.remarks:
        ElementTree.SubElement(suite, "system-out").text = "\n".join(report.remarks)
    ElementTree.indent(suite)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(suite, "unicode") + "\n"
    )
