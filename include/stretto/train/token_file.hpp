// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Tokens in a file, whatever made it.
//
//     llmc      x.bin          256 int32: 20240520, 1, tokens, …; then uint16 each (20240801, 7: uint32 each)
//     raw16     x.bin          uint16 each, nothing else
//     megatron  x.idx, x.bin   the index says type, sequences and documents; the other holds nothing but tokens
//
//     const token_file f("train.bin");
//     f.size()                          tokens
//     f.read(100, 8, to)                tokens 100 to 107, as int32
//     f.documents(), f.document(3)      where the format has them: how many, and where one begins
// The file is mapped, never read as a whole; numbers are little-endian. Opening costs nothing but for Megatron's index, of which
// every number is checked: a pass over it. `read` copies; it may be called from any number of threads. A mapped file must
// not be shortened, see mapped_file.hpp.
// Source: the formats of llm.c (dev/data), nanoGPT (data/*/prepare.py) and Megatron-LM (core/datasets/indexed_dataset.py).
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include <stretto/core/array.hpp>
#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>
#include <stretto/train/mapped_file.hpp>

namespace stretto::inline v0 {

enum class token_format : std::uint8_t { automatic, llmc, raw16, megatron };

namespace detail {

template <class T>
T number_at(const std::byte* from, std::int64_t i = 0) {
  static_assert(std::endian::native == std::endian::little, "stretto: files of tokens are little-endian, and this machine isn't; leave train/token_file.hpp out");
  T value;
  std::memcpy(&value, from + i * static_cast<std::int64_t>(sizeof(T)), sizeof(T));
  return value;
}

constexpr std::string_view megatron_magic("MMIDIDX\0\0", 9);

}  // namespace detail

class token_file {
 public:
  token_file() = default;

  /// Opens "x.bin", "x.idx", or "x" of such a pair. Without a format: a pair where there is an index, else by its first number.
  /// Throws stretto::error where a file can't be read or holds a number that can't be.
  explicit token_file(const std::string& path, token_format format = token_format::automatic) {
    const std::string stem = path.ends_with(".idx") || path.ends_with(".bin") ? path.substr(0, path.size() - 4) : path;
    const bool pair = path.ends_with(".idx") || (detail::file_is_there(stem + ".idx") && (path != stem || !detail::file_is_there(path)));
    if (format == token_format::automatic && pair) format = token_format::megatron;
    if (format == token_format::megatron) index_ = mapped_file(stem + ".idx");
    data_ = mapped_file(format == token_format::megatron ? stem + ".bin" : path);
    name_ = data_.path();
    see(data_.bytes(), index_.bytes(), format);
  }

  /// The same of bytes in memory, which must outlive it.
  token_file(view<const std::byte> data, view<const std::byte> index, std::string name, token_format format = token_format::automatic) : name_(std::move(name)) {
    see(data, index, format == token_format::automatic && !index.empty() ? token_format::megatron : format);
  }

  std::int64_t size() const { return size_; }
  token_format format() const { return format_; }
  const std::string& path() const { return name_; }
  view<const std::byte> bytes() const { return all_; }        ///< the whole file
  view<const std::byte> index_bytes() const { return index_all_; }

  /// How many documents there are; 0 where the format doesn't say.
  std::int64_t documents() const { return documents_; }
  /// The token that document d begins with; document(documents()) is size().
  std::int64_t document(std::int64_t d) const {
    if (d < 0 || d > documents_)
      throw error(text("stretto: document ", d, " of file '", detail::shown_path(name_), "' is asked for, which has ", documents_, "; stay within them").str());
    if (d == documents_) return size_;
    const std::int64_t sequence = detail::number_at<std::int64_t>(starts_, d);
    return sequence == sequences_ ? size_ : detail::number_at<std::int64_t>(offsets_, sequence) / width_;
  }

  /// Copies tokens [first, first + count). Throws where they aren't there, or where one is no token.
  void read(std::int64_t first, std::int64_t count, std::int32_t* to) const {
    if (first < 0 || count < 0 || first > size_ - count)
      throw error(text("stretto: ", count, " tokens from ", first, " on are asked for of file '", detail::shown_path(name_), "', which has ", size_, "; stay within them").str());
    const std::byte* const from = tokens_ + first * width_;
    switch (type_) {
      case type::u8: return copy<std::uint8_t>(from, first, count, to);
      case type::i8: return copy<std::int8_t>(from, first, count, to);
      case type::i16: return copy<std::int16_t>(from, first, count, to);
      case type::i32: return copy<std::int32_t>(from, first, count, to);
      case type::i64: return copy<std::int64_t>(from, first, count, to);
      case type::u16: return copy<std::uint16_t>(from, first, count, to);
      case type::u32: return copy<std::uint32_t>(from, first, count, to);
    }
  }

  /// The largest token and one: what a model's vocabulary must be at least. Reads the whole file each time.
  std::int64_t vocabulary_needed() const {
    std::int32_t block[4096], largest = -1;
    for (std::int64_t at = 0; at < size_; at += 4096) {
      const std::int64_t n = size_ - at < 4096 ? size_ - at : 4096;
      read(at, n, block);
      for (std::int64_t i = 0; i < n; ++i) largest = block[i] > largest ? block[i] : largest;
    }
    return std::int64_t{largest} + 1;
  }

 private:
  enum class type : std::uint8_t { u8 = 1, i8 = 2, i16 = 3, i32 = 4, i64 = 5, u16 = 8, u32 = 100 };  // but u32, Megatron's numbers

  template <class T>
  void copy(const std::byte* from, std::int64_t first, std::int64_t count, std::int32_t* to) const {
    for (std::int64_t i = 0; i < count; ++i) {
      const T token = detail::number_at<T>(from, i);
      if constexpr (sizeof(T) >= 4 || static_cast<T>(-1) < 0)
        if (!std::in_range<std::uint32_t>(token) || static_cast<std::uint32_t>(token) > 0x7fffffffu)
          throw error(text("stretto: token ", first + i, " of file '", detail::shown_path(name_), "' is ", static_cast<std::int64_t>(token),
                           ", and tokens are 0 to 2147483647; make the file anew").str());
      to[i] = static_cast<std::int32_t>(token);
    }
  }

  template <class... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const {
    throw error(text("stretto: file '", detail::shown_path(name_)).add(parts...).str());
  }

  void see(view<const std::byte> data, view<const std::byte> index, token_format format) {
    all_ = data;
    index_all_ = index;
    const std::int32_t magic = data.count >= 4 ? detail::number_at<std::int32_t>(data.first) : 0;
    const bool known = magic == 20240520 || magic == 20240801;
    if (format == token_format::automatic) format = known ? token_format::llmc : token_format::raw16;
    format_ = format;
    if (format == token_format::megatron) return see_index(index);
    type_ = type::u16;
    width_ = 2;
    tokens_ = data.first;
    if (format == token_format::raw16) {
      if (data.count % 2 != 0) refuse("' has ", data.count, " bytes, which is no whole number of tokens of two; make it anew, or name its format");
      size_ = data.count / 2;
      return;
    }
    if (!known) refuse("' begins with ", magic, ", not with llm.c's 20240520; name its format, or make it anew");
    if (data.count < header_bytes) refuse("' has ", data.count, " bytes and should begin with a header of ", header_bytes, "; make it anew, or name its format");
    if (magic == 20240801) type_ = type::u32, width_ = 4;
    const std::int32_t form = detail::number_at<std::int32_t>(data.first, 1), count = detail::number_at<std::int32_t>(data.first, 2);
    if (form != (width_ == 2 ? 1 : 7)) refuse("' is of version ", form, " of llm.c's format, and only ", width_ == 2 ? 1 : 7, " is known; make it anew");
    if (count < 0 || data.count - header_bytes != std::int64_t{count} * width_)
      refuse("' promises ", count, " tokens and has ", data.count - header_bytes, " bytes behind its header, where each takes ", width_, "; make it anew");
    tokens_ += header_bytes;
    size_ = count;
  }

  /// "MMIDIDX\0\0", u64 1, u8 type, u64 sequences, u64 starts, i32 lengths[], i64 offsets[], i64 starts[]
  void see_index(view<const std::byte> index) {
    constexpr std::int64_t head = 34;
    const std::string_view letters(reinterpret_cast<const char*>(index.first), static_cast<std::size_t>(index.count));
    if (!letters.starts_with(detail::megatron_magic)) refuse("' has an index that doesn't begin with MMIDIDX; make the pair anew, or name another format");
    if (index.count < head) refuse("' has an index of ", index.count, " bytes, and its header alone takes ", head, "; make the pair anew");
    const auto form = detail::number_at<std::uint64_t>(index.first + 9), sequences = detail::number_at<std::uint64_t>(index.first + 18),
               starts = detail::number_at<std::uint64_t>(index.first + 26);
    const int code = std::to_integer<int>(index[17]);
    if (form != 1) refuse("' has an index of another version than 1; make the pair anew");
    if (code < 1 || code > 8 || code == 6 || code == 7) refuse("' has an index that says type ", code, ", and tokens are of type 1, 2, 3, 4, 5 or 8; make the pair anew with one of them");
    type_ = static_cast<type>(code);
    width_ = code <= 2 ? 1 : code == 4 ? 4 : code == 5 ? 8 : 2;
    const auto room = static_cast<std::uint64_t>(index.count - head);
    // Two divisions before the sum, so that it can't overflow. A byte a sequence may follow: its mode.
    const bool can_be = sequences <= room / 12 && starts <= room / 8;
    const std::uint64_t used = can_be ? 12 * sequences + 8 * starts : 0;
    if (!can_be || (used != room && used + sequences != room))
      refuse("' has an index of ", index.count, " bytes, which isn't what its numbers of sequences and documents take; make the pair anew");
    sequences_ = static_cast<std::int64_t>(sequences);
    const std::byte* const lengths = index.first + head;
    offsets_ = lengths + 4 * sequences_;
    starts_ = offsets_ + 8 * sequences_;
    std::int64_t at = 0;
    for (std::int64_t s = 0; s < sequences_; ++s) {
      const std::int64_t length = detail::number_at<std::int32_t>(lengths, s), offset = detail::number_at<std::int64_t>(offsets_, s);
      if (length < 0 || offset != at || length > (all_.count - at) / width_)
        refuse("' has an index where sequence ", s, " has ", length, " tokens from byte ", offset, " on, and ", at, " of the ", all_.count, " bytes stand before it; make the pair anew");
      at += length * width_;
    }
    if (at != all_.count) refuse("' has ", all_.count, " bytes and an index of ", at, "; make the pair anew");
    size_ = at / width_;
    std::int64_t before = 0;
    documents_ = static_cast<std::int64_t>(starts);
    for (std::int64_t d = 0; d < documents_; ++d) {
      const std::int64_t start = detail::number_at<std::int64_t>(starts_, d);
      if (start < before || start > sequences_ || (d == 0 && start != 0))
        refuse("' has an index where document ", d, " begins with sequence ", start, " of ", sequences_, ", behind ", before, "; make the pair anew");
      before = start;
    }
    if (documents_ > 0 && before == sequences_) --documents_;  // the last start is the end
    tokens_ = all_.first;
  }

  static constexpr std::int64_t header_bytes = 1024;

  std::string name_;
  mapped_file data_, index_;
  view<const std::byte> all_, index_all_;
  token_format format_ = token_format::raw16;
  type type_ = type::u16;
  std::int64_t width_ = 2, size_ = 0, sequences_ = 0, documents_ = 0;
  const std::byte* tokens_ = nullptr;
  const std::byte* offsets_ = nullptr;
  const std::byte* starts_ = nullptr;
};

}  // namespace stretto::inline v0
