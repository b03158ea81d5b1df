// Four inputs at a time of a product of u8 and s8, without an instruction for it: both are widened to 16 bits, whose
// products and sums of two products fit into 32. No include guard: one copy for each target.

struct InputQuad {
  Words even, odd;
  explicit InputQuad(std::uint32_t quad)
      : even(even_unsigned_bytes(broadcast_word(quad))), odd(odd_unsigned_bytes(broadcast_word(quad))) {}
};

struct WeightQuads {
  Words even, odd;
  explicit WeightQuads(const std::byte* quads) {
    const Words words = load_words(reinterpret_cast<const std::uint32_t*>(quads));
    even = even_bytes(words);
    odd = odd_bytes(words);
  }
  Words add_to(Words sums, const InputQuad& x) const {
    return add_products(add_products(sums, x.even, even), x.odd, odd);
  }
};
