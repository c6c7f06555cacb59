"""Does anything get lost, doubled or out unmasked when real processes are killed, frozen and cut off at random?"""
