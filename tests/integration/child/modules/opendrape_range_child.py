"""A child module for the tests: reads its source in a seeded order, to the end, or until it is killed."""

import hashlib
import os
import random
import signal

from opendrape.media.child import serve
from opendrape.media.descriptor_file import DescriptorFile


def work(spec, send):
    file = DescriptorFile(spec["descriptor"])
    if spec["do"] == "die":
        file.at(0, 100)
        os.write(spec["descriptor"], b"ODR1" + b"x" * 8 + (0).to_bytes(8, "big") + (1000).to_bytes(4, "big"))
        os.kill(os.getpid(), signal.SIGKILL)
    if spec["do"] == "swallow":
        try:
            file.at(spec["size"] // 2, 1000)
        except OSError:
            return {"swallowed": True}
        return {"swallowed": False}
    chance, digest = random.Random(1), hashlib.sha256()
    while piece := file.read(100_000):
        digest.update(piece)
    places = [chance.randrange(file.size) for _ in range(spec["places"])]
    bits = b"".join(file.at(place, 5000) for place in places)
    return {"size": file.size, "sha256": digest.hexdigest(), "bits": hashlib.sha256(bits).hexdigest()}


if __name__ == "__main__":
    serve(work)
