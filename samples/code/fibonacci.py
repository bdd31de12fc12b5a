"""Fibonacci numbers by fast doubling."""


def fibonacci(n: int) -> int:
    """Return the n-th Fibonacci number.

    >>> [fibonacci(i) for i in range(10)]
    [0, 1, 1, 2, 3, 5, 8, 13, 21, 34]
    """

    def pair(k: int) -> tuple[int, int]:
        if k == 0:
            return 0, 1
        a, b = pair(k // 2)
        c = a * (2 * b - a)
        d = a * a + b * b
        return (d, c + d) if k % 2 else (c, d)

    if n < 0:
        raise ValueError(f"n must not be negative, not {n}")
    return pair(n)[0]


if __name__ == "__main__":
    for i in range(0, 100, 10):
        print(f"{i:3d} {fibonacci(i)}")
