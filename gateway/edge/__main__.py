"""Starts one edge process (`gateway.edge.process`)."""

from gateway.edge.process import main

main()
