"""The names of LoadGen's logs."""

DETAIL = "mlperf_log_detail.txt"
SUMMARY = "mlperf_log_summary.txt"
ACCURACY_LOG = "mlperf_log_accuracy.json"
TRACE = "mlperf_log_trace.json"

FURTHER_TEST = "test-"
"""How the folders begin with the logs of a run's second test and those after it."""
