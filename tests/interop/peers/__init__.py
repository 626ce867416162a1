"""Drivers of the programs that the interop tests play against: one file each, nothing of the tests.

Every process that is started here is stopped by its own pid, and dies with the test run.
"""
