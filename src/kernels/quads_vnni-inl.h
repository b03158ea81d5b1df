// Four inputs at a time of a product of u8 and s8 in one instruction (VPDPBUSD). No include guard: one copy for each
// target.

struct InputQuad {
  Words quads;
  explicit InputQuad(std::uint32_t quad) : quads(broadcast_word(quad)) {}
};

struct WeightQuads {
  Words quads;
  explicit WeightQuads(const std::byte* from) : quads(load_words(reinterpret_cast<const std::uint32_t*>(from))) {}
  Words add_to(Words sums, const InputQuad& x) const { return _mm512_dpbusd_epi32(sums, x.quads, quads); }
};
