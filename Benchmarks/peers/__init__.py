"""tsq beside its peers: the same data, loads and questions in each, all in one run. `Scripts/peers --help`."""
