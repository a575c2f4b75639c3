# focus-lsp through the protocol: diagnostics as the text is edited, documentation on hover, definitions and uses.
# RUN: %python %s | filecheck %s
import json
import subprocess
import sys

URI = "file:///work/f.mlir"
GOOD = """\
func.func @f(%x: tensor<4x8xf16>) -> tensor<4x16xf16> {
  %w = "focus.param"() {name = "w", row_order = "as_is"} : () -> tensor<16x8xf16>
  %y = "focus.linear"(%x, %w) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>} : (tensor<4x8xf16>, tensor<16x8xf16>) -> tensor<4x16xf16>
  return %y : tensor<4x16xf16>
}
func.func @g() {
  call @h() : () -> ()
  return
}
func.func private @h()
"""
BAD = GOOD.replace("tensor<16x8xf16>) -> tensor<4x16xf16>\n  return", "tensor<16x8xf16>) -> tensor<5x16xf16>\n  return").replace(
    "return %y : tensor<4x16xf16>", "return %y : tensor<5x16xf16>").replace("-> tensor<4x16xf16> {", "-> tensor<5x16xf16> {")


class Client:
    """Speaks to a server on its standard input and output."""

    def __init__(self):
        self.process = subprocess.Popen([sys.executable, "-P", "-m", "focus.compiler.tools.lsp"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL)
        self.number = 0

    def send(self, method, params, request=False):
        message = {"jsonrpc": "2.0", "method": method, "params": params}
        if request:
            self.number += 1
            message["id"] = self.number
        body = json.dumps(message).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.process.stdin.flush()

    def read(self, wanted):
        """The next message for which `wanted` is true."""
        while True:
            length = 0
            while (line := self.process.stdout.readline().strip()):
                name, _, value = line.partition(b": ")
                length = int(value) if name == b"Content-Length" else length
            message = json.loads(self.process.stdout.read(length))
            if wanted(message):
                return message

    def request(self, method, **params):
        self.send(method, params, request=True)
        return self.read(lambda m: m.get("id") == self.number)["result"]

    def diagnostics(self):
        return self.read(lambda m: m.get("method") == "textDocument/publishDiagnostics")["params"]["diagnostics"]

    def at(self, method, line, word, **more):
        """A request about the first occurrence of a word in a line of the good text."""
        column = GOOD.splitlines()[line].index(word) + 1
        return self.request(method, textDocument={"uri": URI}, position={"line": line, "character": column}, **more)


client = Client()
capabilities = client.request("initialize", processId=None, rootUri=None, capabilities={})["capabilities"]
# CHECK: True True True
print(*(bool(capabilities[key]) for key in ("hoverProvider", "definitionProvider", "referencesProvider")))
client.send("initialized", {})

# A verifier's message stands at the op; once the text is right, there is none.
# CHECK: 2 2 1 'focus.linear' op y has shape 5x16, expected 4x16 (rows of x by rows of weight)
client.send("textDocument/didOpen", {"textDocument": {"uri": URI, "languageId": "mlir", "version": 1, "text": BAD}})
(problem,) = client.diagnostics()
print(problem["range"]["start"]["line"], problem["range"]["start"]["character"] // 4 + 1, problem["severity"], problem["message"])
client.send("textDocument/didChange", {"textDocument": {"uri": URI, "version": 2}, "contentChanges": [{"text": GOOD}]})
# CHECK: []
print(client.diagnostics())

# CHECK: ### `focus.linear` True True
said = client.at("textDocument/hover", 2, "focus.linear")["contents"]["value"]
print(said.splitlines()[0], "y = act(x W" in said, "| `weight` | operand |" in said)
# CHECK: %w = "focus.param"()
print(client.at("textDocument/hover", 2, "%w")["contents"]["value"].splitlines()[1])
# CHECK: None
print(client.at("textDocument/hover", 7, "return"))

where = lambda location: (location["range"]["start"]["line"], location["range"]["start"]["character"])
# A value of a line, an argument, a function.
# CHECK: (1, 2) (0, 13) (9, 19)
print(where(client.at("textDocument/definition", 2, "%w")), where(client.at("textDocument/definition", 2, "%x")),
      where(client.at("textDocument/definition", 6, "@h")))
# CHECK: [(3, 9)] [(2, 2), (3, 9)]
for declaration in (False, True):
    print([where(r) for r in client.at("textDocument/references", 2, "%y", context={"includeDeclaration": declaration})], end=" ")
print()
client.request("shutdown")
client.send("exit", None)
# CHECK: 0
print(client.process.wait(10))
