"""The gateway beside its peers on one core: see `bench.gateway.__main__`."""
