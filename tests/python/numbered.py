"""Numbered messages, which reveal lost, duplicated and misplaced ones."""

# The number is in the channel and the 14 bits of a pitch bend.
PERIOD = 1 << 18


def numbered(number):
    number %= PERIOD
    return bytes((0xE0 | number >> 14, number & 0x7F, number >> 7 & 0x7F))
