"""A TCP balancer before the nodes, as a Kubernetes service or any load balancer is: it sends new connections to nodes
that are ready, and knows nothing of requests."""

import asyncio
import itertools
import random
import threading

HEALTH_EVERY_S = 0.2
CONNECT_TIMEOUT_S = 1
CHUNK_BYTES = 65_536


class Balancer:
    """Serves on a loopback port from a thread of its own. Use as a context."""

    def __init__(self, nodes):
        self.nodes = list(nodes)
        self.ready = list(nodes)
        self.turn = itertools.count()
        self.started, self.loop = threading.Event(), asyncio.new_event_loop()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.port = None

    @property
    def endpoint(self):
        """The URL of the balancer."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        self.thread.start()
        assert self.started.wait(10), "the balancer did not start"
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.stop.set)
        self.thread.join(10)

    def _run(self):
        self.loop.run_until_complete(self._serve())

    async def _serve(self):
        self.stop = asyncio.Event()
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        health = asyncio.create_task(self._watch())
        self.started.set()
        await self.stop.wait()
        health.cancel()
        server.close()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _watch(self):
        while True:
            answers = await asyncio.gather(*(asyncio.to_thread(n.status, "/health/ready", 1) for n in self.nodes))
            self.ready = [n for n, status in zip(self.nodes, answers) if status == 200] or self.nodes
            await asyncio.sleep(HEALTH_EVERY_S)

    async def _accept(self, reader, writer):
        for _ in range(len(self.nodes)):
            ready = self.ready
            node = ready[next(self.turn) % len(ready)]
            try:
                opened = asyncio.open_connection(node.host, node.http_port)
                there_reader, there_writer = await asyncio.wait_for(opened, CONNECT_TIMEOUT_S)
                break
            except (OSError, asyncio.TimeoutError):
                continue
        else:
            writer.close()
            return
        await asyncio.gather(_copy(reader, there_writer), self._answer(there_reader, writer))

    async def _answer(self, there_reader, writer):
        await _copy(there_reader, writer)


class Forgetful(Balancer):
    """A balancer that now and then loses an answer, and the connection with it: the request was carried out."""

    def __init__(self, nodes, losses_in_a_thousand, seed):
        super().__init__(nodes)
        self.losses, self.random, self.lost = losses_in_a_thousand, random.Random(seed), 0

    async def _answer(self, there_reader, writer):
        try:
            while chunk := await there_reader.read(CHUNK_BYTES):
                if self.random.randrange(1_000) < self.losses:
                    self.lost += 1
                    return
                writer.write(chunk)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()


async def _copy(reader, writer):
    try:
        while chunk := await reader.read(CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()
