"""Still pictures: what their files say, byte by byte, before and after a decoder has seen them (I-02, V-14)."""
