"""Sign up, order three products, and print the order's journey; --failing declines the payment."""


def main(argv: list[str]) -> int:
    from demo import story

    return int(story.main(argv) or 0)
