// Serves kinesalite on a free loopback port and prints the port. It ends when
// its input ends, so also when the test that started it dies.
'use strict'
const server = require('kinesalite')({ createStreamMs: 50, deleteStreamMs: 50, updateStreamMs: 50 })
server.listen(0, '127.0.0.1', () => console.log(server.address().port))
process.stdin.resume()
process.stdin.on('end', () => process.exit(0))
