"""placeholder"""


async def run(*a, **k):
    pass
