"""Makes operation-like sample videos with exact ground truth, and hostile files: the test bench of the whole house."""

from opendrape_masker.synthetic.hostile import HostileFile, make_hostile
from opendrape_masker.synthetic.request import SampleRequest
from opendrape_masker.synthetic.sample import make_sample
from opendrape_masker.synthetic.truth import SampleTruth, TrueBox

__all__ = ["HostileFile", "SampleRequest", "SampleTruth", "TrueBox", "make_hostile", "make_sample"]
