"""The glue to MLPerf's LoadGen: settings, query sample library, system under test, log."""
