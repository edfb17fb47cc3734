"""Prints the result of a chord, which is the sum of its tasks'."""

import sys

import shop
from celery import chord

print(chord([shop.add.s(i, i) for i in range(10)])(shop.total.s()).get(timeout=float(sys.argv[1])))
