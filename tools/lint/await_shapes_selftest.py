"""The await shapes that pass, and those that do not."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from await_shapes import check  # noqa: E402

GOOD = [
    "auto x = co_await f(a, b);",
    "auto const x = co_await ns::g<int, A<B>>(a);",
    "const auto& x = co_await client.session()->read(std::move(r));",
    "auto&& x = co_await f();",
    "co_await f();",
    "co_return co_await this->f(a[1]);",
    "if (a) co_return co_await f();",
    "if (a) { co_await f(); } else co_await g();",
    "for (auto& x : xs) co_await f(x);",
    "switch (a) { case A::b: co_await f(); break; default: co_await g(); }",
    "co_await pool.run([x] { return Y{1}; });",
    "auto x = co_await pool.run([x = std::move(y)]() mutable -> Result<int> { return g({1}); });",
    "co_await asio::async_initiate<T const, void(int)>(initiate, token);",
    "co_await queue[3].push(a ? b : c);",
    "co_return;",
    "auto const e = co_await asio::this_coro::executor;",
    "auto const piece = co_await (*stream)->read();",
    "co_await queue->claim(request(Millis{200}), std::chrono::seconds{1});",
    "g([a] { struct W { static Task<void> f(A* a) { co_await a->g(); } }; return W::f(a); });",
    "// if (co_await f()) g();",
    'auto s = "if (co_await f())"; auto r = R"x(co_await {f}) )x";',
    "\n#define X if (co_await f())\nint a;",
    "spawn([] () -> Task<void> { co_await f(); });",
    "auto f = [a] { spawn([](A b) -> Task<void> { co_await g(b); }); };",
    "int x = a[1]; co_await f();",
    "x = co_await f();",
    "this->x.y_ = co_await f();",
    "xs[i].y = co_await f();",
    "a::b = co_await f();",
    "int x = co_await f();",
    "Status const x = co_await f();",
    "const Status& x = co_await f();",
    "A* const x = co_await f();",
    "::a::b<C, D<E>> const x = co_await f();",
    "std::unique_ptr<A> x = co_await f();",
    "auto [a, b] = co_await f();",
    "auto const [a] = co_await f(b, kTuple);",
    "if (a) x = co_await f();",
    "while (a) { b = co_await f(); if (b) c = co_await g(); else d = co_await h(); }",
    "switch (a) { case A::b: x = co_await f(); break; case A::c: { Status y = co_await g(); } }",
    "for (;;) x = co_await f();",
    "do x = co_await f(); while (a);",
    "if (a) [[likely]] { co_await f(); }",
    "} [[nodiscard]] Task<int> g() { co_return co_await f();",
    "auto n = 1'000'000; co_await f();",
]

BAD = [
    "if (co_await f()) g();",
    "if (auto x = co_await f()) g();",
    "while (!co_await f()) {}",
    "g(x = co_await f());",
    "return x = co_await f();",
    "x += co_await f();",
    "x = y = co_await f();",
    "x = {co_await f()};",
    "T x{.a = co_await f()};",
    "T x = {a, co_await f()};",
    "auto g = [x = co_await f()] {};",
    "a ? x = co_await f() : 0;",
    "int n = a ? b : x = co_await f();",
    "for (x = co_await f(); x; ) {}",
    "if (x = co_await f()) {}",
    "if (Status const x = co_await f(); !x) {}",
    "a[co_await f()] = b;",
    "a[g(b)] = co_await f();",
    "x = co_await f({a});",
    "Status const x = co_await f() && a;",
    "auto [a, b] = co_await f({});",
    "auto x = *co_await f();",
    "auto x = co_await f() + 1;",
    "auto x = a ? co_await f() : co_await g();",
    "g(co_await f());",
    "g{co_await f()};",
    "auto x = co_await f(co_await g());",
    "co_return (co_await f()).value();",
    "co_return a ? b : co_await f();",
    "co_await (a || b);",
    "co_await (*stream);",
    "co_await asio::executor;",
    "co_await f(200, {});",
    "g([a] { struct W { int b; }; co_await f(); });",
    "co_await future;",
    "auto x = co_await f().member;",
    "co_await client.send({.url = u});",
    "co_await client.send(Request{u});",
    "co_await client.send(a, std::vector<int>{1});",
    "auto x = co_await f().value_or(Y{});",
    "spawn([this] () -> Task<void> { co_await f(); });",
    "spawn([&](int a) -> Task<int> { co_return a; });",
    "auto f = [a] { return [b]() -> Task<void> { co_return; }; };",
    "x.on([p = std::move(p)]() mutable -> Task<void> { if (a) { co_await f(); } });",
]


class AwaitShapes(unittest.TestCase):
    def test_good_shapes_pass(self):
        for text in GOOD:
            self.assertEqual(check("void t() { " + text + " }"), [], text)

    def test_bad_shapes_are_told(self):
        for text in BAD:
            self.assertNotEqual(check("void t() { " + text + " }"), [], text)

    def test_the_line_is_that_of_the_await(self):
        self.assertEqual(check("/* a\n b */\n\nf(\n co_await g());\n")[0][0], 5)


if __name__ == "__main__":
    unittest.main()
