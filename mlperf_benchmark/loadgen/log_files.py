"""The names of LoadGen's logs."""

DETAIL = "mlperf_log_detail.txt"
SUMMARY = "mlperf_log_summary.txt"
ACCURACY_LOG = "mlperf_log_accuracy.json"
TRACE = "mlperf_log_trace.json"

FURTHER_TEST = "test-"
"""The prefix of the folders with the logs of a run's second and later tests."""
