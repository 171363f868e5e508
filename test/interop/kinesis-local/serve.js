// Serves kinesis-local on a free loopback port and prints the port. It ends when
// its input ends, so also when the test that started it dies.
//
// kinesis-local listens on all interfaces, on two ports that are given. Whatever
// it asks for, it gets a free port of the loopback interface.
'use strict'
const net = require('net')
const path = require('path')
const listen = net.Server.prototype.listen
const plain = 4568 // the other one is for TLS
process.env.KINESIS_MOCK_PLAIN_PORT = plain
process.env.LOG_LEVEL = 'ERROR'
net.Server.prototype.listen = function (port, ...rest) {
  const asked = port
  this.once('listening', () => {
    if (asked === plain) console.log(this.address().port)
  })
  return listen.call(this, 0, '127.0.0.1', rest.find((x) => typeof x === 'function'))
}
process.stdin.resume()
process.stdin.on('end', () => process.exit(0))
const main = require.resolve('kinesis-local/main.js')
process.chdir(path.dirname(main)) // it reads a file there
require(main)
