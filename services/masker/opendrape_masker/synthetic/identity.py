"""Whose invented identity a sample carries, and every string by which it could be recognised."""

from __future__ import annotations

from dataclasses import dataclass

_PEOPLE = (
    ("Andersson", "Märta", "1952-03-17", "471193", "Lindqvist", "+59.3493+018.0228/"),
    ("Öberg-Nuñez", "Tuulikki", "1948-11-02", "582204", "Castellano", "+57.7089+011.9746/"),
    ("Fjällström", "Bengt-Åke", "1961-07-29", "693315", "Wiśniewska", "+63.8258+020.2630/"),
)
_HOSPITAL = "Sankt Exempel Hospital"


@dataclass(frozen=True, slots=True)
class Identity:
    """One invented patient, surgeon and place."""

    family: str
    given: str
    born: str
    number: str
    surgeon: str
    place: str
    hospital: str = _HOSPITAL

    @classmethod
    def of_seed(cls, seed: int) -> Identity:
        """Seed 1 is Märta Andersson; others follow."""
        return cls(*_PEOPLE[(seed - 1) % len(_PEOPLE)])

    @property
    def name(self) -> str:
        """Family name first, as on a wrist band."""
        return f"{self.family}, {self.given}"

    @property
    def file_name(self) -> str:
        """A file name as people give them, awkward characters included."""
        return f"{self.name} {self.born.replace('-', '')} op#2 {{left eye}} {self.number}.mp4"

    @property
    def tags(self) -> dict[str, str]:
        """Container tags."""
        return {
            "title": f"{self.name} left eye",
            "artist": f"Dr {self.surgeon}",
            "comment": f"MRN {self.number} born {self.born}",
            "location": self.place,
            "com.apple.quicktime.location.ISO6709": self.place,
            "creation_time": "2024-05-17T07:41:20.000000Z",
        }

    @property
    def user_text(self) -> str:
        """What a recorder writes into the bitstream."""
        return f"patient={self.name};mrn={self.number};operator={self.surgeon}"

    @property
    def chapter_titles(self) -> tuple[str, ...]:
        """Two chapters."""
        return (f"Incision {self.family}", f"Closure {self.given}")

    @property
    def stream_title(self) -> str:
        """Name of the video track."""
        return f"Camera 1 {self.hospital}"

    @property
    def canaries(self) -> tuple[str, ...]:
        """Strings that must not occur in anything the pipeline writes."""
        return (
            self.family,
            self.given,
            self.number,
            self.born,
            self.born.replace("-", ""),
            self.surgeon,
            self.place.rstrip("/"),
            self.hospital,
            "op#2 {left eye}",
            "left eye",
        )
