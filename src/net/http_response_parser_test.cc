#include "net/http_response_parser.h"

#include <gtest/gtest.h>

namespace drover::net {
namespace {

struct Parsed {
  std::string outcome;  // "done", "open", or the error's code
  int status = 0;
  std::string body;
  std::size_t left = 0;  // bytes behind the response
  bool keep_alive = false;
  friend bool operator==(Parsed const&, Parsed const&) = default;
  friend std::ostream& operator<<(std::ostream& out, Parsed const& p) {
    return out << p.outcome << ' ' << p.status << " '" << p.body << "' left " << p.left << " keep "
               << p.keep_alive;
  }
};

enum class Close : std::uint8_t { no, yes };

Parsed parse(std::vector<std::string_view> const& pieces, ResponseTo to, Close close) {
  HttpResponseParser parser{to};
  Parsed out;
  for (std::string_view piece : pieces) {
    auto const taken = parser.feed(piece, out.body);
    if (!taken) {
      out.outcome = to_string(taken.error().code);
      return out;
    }
    out.left += piece.size() - *taken;
  }
  if (close == Close::yes) {
    if (auto const status = parser.finish(); !status) {
      out.outcome = to_string(status.error().code);
      return out;
    }
  }
  out.outcome = parser.done() ? "done" : "open";
  out.status = parser.head().status;
  out.keep_alive = parser.keep_alive();
  return out;
}

// Every way to cut the text in three, and byte by byte, gives what the whole gives.
void expect_at_every_cut(std::string_view text, Parsed const& expected,
                         ResponseTo to = ResponseTo::get, Close close = Close::no) {
  for (std::size_t first = 0; first <= text.size(); ++first) {
    for (std::size_t second = first; second <= text.size(); ++second) {
      ASSERT_EQ(
          parse({text.substr(0, first), text.substr(first, second - first), text.substr(second)},
                to, close),
          expected)
          << text << " cut at " << first << ", " << second;
    }
  }
  std::vector<std::string_view> bytes;
  for (std::size_t i = 0; i < text.size(); ++i)
    bytes.push_back(text.substr(i, 1));
  ASSERT_EQ(parse(bytes, to, close), expected) << text;
}

TEST(HttpResponseParser, ContentLength) {
  expect_at_every_cut("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
                      {"done", 200, "hello", 0, true});
  expect_at_every_cut("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", {"done", 200, "", 0, true});
  expect_at_every_cut("HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nab", {"done", 200, "ab", 0, true});
}

TEST(HttpResponseParser, Chunked) {
  expect_at_every_cut(
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0"
      "\r\nTrailer: x\r\n\r\n",
      {"done", 200, "abc0123456789", 0, true});
}

TEST(HttpResponseParser, CloseDelimited) {
  expect_at_every_cut("HTTP/1.0 200 OK\r\n\r\nto the end", {"done", 200, "to the end", 0, false},
                      ResponseTo::get, Close::yes);
}

TEST(HttpResponseParser, NoBodyForHeadAnd204And304) {
  expect_at_every_cut("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", {"done", 200, "", 0, true},
                      ResponseTo::head);
  expect_at_every_cut("HTTP/1.1 204 No Content\r\n\r\n", {"done", 204, "", 0, true});
  expect_at_every_cut("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
                      {"done", 304, "", 0, true});
}

TEST(HttpResponseParser, InterimResponsesAreSkipped) {
  expect_at_every_cut(
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nA: b\r\n\r\nHTTP/1.1 201 C\r\n"
      "Content-Length: 1\r\nConnection: close\r\n\r\nx",
      {"done", 201, "x", 0, false});
}

TEST(HttpResponseParser, StopsAtTheEndOfTheResponse) {
  HttpResponseParser parser;
  std::string body;
  std::string_view const text = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 500";
  EXPECT_EQ(parser.feed(text, body).value(), text.size() - 12);
  EXPECT_TRUE(parser.done());
  EXPECT_EQ(body, "ok");
}

TEST(HttpResponseParser, RefusesWhatIsAmbiguousOrNotHttp) {
  for (std::string_view bad : {
           "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n",
           "HTTP/2 200 OK\r\n\r\n",
           "HTTP/1.1 20 OK\r\n\r\n",
           "HTTP/1.1 2000 OK\r\n\r\n",
           "HTTP/1.1 020 OK\r\n\r\n",
           "\r\n\r\n",
           "HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
           "HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n",
           "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
           "HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n",
           "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
           "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
           "HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n",
           "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
           "HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\n",
           "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
           "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
           "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
           "HTTP/1.1 101 Switching\r\n\r\n",
           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n",
           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1000000000000000\r\n",
       }) {
    HttpResponseParser parser;
    std::string body;
    auto const result = parser.feed(bad, body);
    ASSERT_FALSE(result) << bad;
    EXPECT_EQ(result.error().code, ErrorCode::upstream) << bad;
    EXPECT_FALSE(parser.feed("HTTP/1.1 200 OK\r\n\r\n", body)) << "a failed parser went on";
  }
}

TEST(HttpResponseParser, CutResponsesAreErrorsWhereverTheyAreCut) {
  for (std::string_view text :
       {std::string_view{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"},
        std::string_view{
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"}}) {
    for (std::size_t end = 0; end < text.size(); ++end) {
      EXPECT_EQ(parse({text.substr(0, end)}, ResponseTo::get, Close::yes).outcome, "upstream")
          << text.substr(0, end);
    }
  }
}

TEST(HttpResponseParser, AHeadThatIsRefusedOrCutIsNeverDone) {
  std::string body;
  HttpResponseParser refused;
  EXPECT_FALSE(refused.feed("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", body));
  EXPECT_FALSE(refused.head_done());
  HttpResponseParser cut;
  ASSERT_TRUE(cut.feed("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 2", body));
  EXPECT_FALSE(cut.finish());
  EXPECT_FALSE(cut.head_done());
}

TEST(HttpResponseParser, EveryBoundHolds) {
  HttpResponseBounds const bounds{
      .head_bytes_max = 64, .headers_max = 2, .chunk_line_bytes_max = 8, .interim_max = 2};
  std::string const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (std::string const& text :
       {"HTTP/1.1 200 OK\r\nA: " + std::string(100, 'x') + "\r\n\r\n",
        std::string{"HTTP/1.1 200 OK\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n"},
        chunked + "1;" + std::string(20, 'x') + "\r\n",
        chunked + "0\r\n" + "A: " + std::string(70, 'x') + "\r\n\r\n",
        chunked + "0\r\n" +
            "A: 0123456789012345\r\nB: 01234567890123456\r\nC: 0123456789012\r\nD: "
            "0123\r\n\r\n"}) {
    for (std::size_t step : {std::size_t{1}, std::size_t{7}, text.size()}) {
      HttpResponseParser parser{ResponseTo::get, bounds};
      std::string body;
      Result<std::size_t> result;
      for (std::size_t at = 0; at < text.size() && result; at += step)
        result = parser.feed(std::string_view{text}.substr(at, step), body);
      ASSERT_FALSE(result) << text;
      EXPECT_EQ(result.error().code, ErrorCode::too_large) << text;
    }
  }
  HttpResponseParser parser{ResponseTo::get, bounds};
  std::string body;
  std::string const interim = "HTTP/1.1 100 C\r\n\r\n";
  EXPECT_FALSE(parser.feed(interim + interim + interim, body));
}

}  // namespace
}  // namespace drover::net
