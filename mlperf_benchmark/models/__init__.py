"""From weights to a described model file in every variant. Only files/ is needed to run one."""
