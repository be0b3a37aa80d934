"""Messages that carry a number, so that a lost, doubled or misplaced one shows."""

# What fits into a channel and the 14 bits of a pitch bend.
PERIOD = 1 << 18


def numbered(number):
    number %= PERIOD
    return bytes((0xE0 | number >> 14, number & 0x7F, number >> 7 & 0x7F))
