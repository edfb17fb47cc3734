# bunny as Debian packages it, unmodified.
require 'bunny'
require 'timeout'

$stdout.sync = true

TLS = ENV['TLS_CA'] ? { tls: true, tls_ca_certificates: [ENV['TLS_CA']], verify_peer: true,
                        tls_cert: ENV['TLS_CERT'], tls_key: ENV['TLS_KEY'] }.compact : {}

def connect(**more)
  connection = Bunny.new(host: '127.0.0.1', port: ENV['AMQP_PORT'].to_i, automatically_recover: false,
                         logger: Logger.new(File::NULL), user: 'guest', pass: 'guest', **TLS, **more)
  connection.start
  connection
end

# A user that may enter one virtual host alone, and there what begins with its name.
OWN = ENV['LOGIN_USER'] ? { user: ENV['LOGIN_USER'], pass: ENV['LOGIN_PASSWORD'] } : nil

def refused(*kinds)
  yield
rescue *kinds
  nil
else
  raise 'it was not refused'
end

def equal(got, wanted)
  raise "got #{got.inspect}, wanted #{wanted.inspect}" unless got == wanted
end

CHECKS = {
  'publishes consumes and acknowledges' => lambda {
    connection = connect
    channel = connection.create_channel
    queue = channel.queue('', exclusive: true)
    got = Queue.new
    queue.subscribe(manual_ack: true) { |info, _, body| got << [info.delivery_tag, body] }
    10.times { |i| queue.publish("m#{i}") }
    10.times do |i|
      tag, body = Timeout.timeout(60) { got.pop }
      equal(body, "m#{i}")
      channel.ack(tag)
    end
    connection.close
  },
  'publishes are confirmed' => lambda {
    connection = connect
    channel = connection.create_channel
    channel.confirm_select
    queue = channel.queue("bunny-#{Process.pid}", durable: true)
    20.times { |i| queue.publish("m#{i}", persistent: true, headers: { 'n' => i }) }
    raise 'not confirmed' unless channel.wait_for_confirms
    20.times do |i|
      info, properties, body = queue.pop(manual_ack: true)
      equal([body, properties.headers['n']], ["m#{i}", i])
      channel.ack(info.delivery_tag)
    end
    equal(queue.message_count, 0)
    queue.delete
    connection.close
  },
  'a nacked message comes again' => lambda {
    connection = connect
    channel = connection.create_channel
    queue = channel.queue('', exclusive: true)
    queue.publish('again')
    info, = queue.pop(manual_ack: true)
    channel.nack(info.delivery_tag, false, true)
    info, _, body = queue.pop(manual_ack: true)
    equal([info.redelivered?, body], [true, 'again'])
    channel.ack(info.delivery_tag)
    connection.close
  },
  'a prefetch bounds what is out' => lambda {
    connection = connect
    channel = connection.create_channel
    channel.prefetch(2)
    queue = channel.queue('', exclusive: true)
    5.times { |i| queue.publish("m#{i}") }
    got = Queue.new
    queue.subscribe(manual_ack: true) { |info, _, body| got << [info.delivery_tag, body] }
    last = Array.new(2) { Timeout.timeout(20) { got.pop } }.last
    equal(queue.message_count, 3)
    channel.ack(last[0], true)
    equal(Array.new(2) { Timeout.timeout(20) { got.pop[1] } }, %w[m2 m3])
    connection.close
  },
  'what is rejected goes to the dead letter queue' => lambda {
    connection = connect
    channel = connection.create_channel
    channel.confirm_select
    dead = channel.queue('', exclusive: true)
    queue = channel.queue('', exclusive: true, arguments: {
                            'x-dead-letter-exchange' => '', 'x-dead-letter-routing-key' => dead.name
                          })
    queue.publish('bad')
    channel.wait_for_confirms
    channel.reject(queue.pop(manual_ack: true)[0].delivery_tag)
    properties, body = Timeout.timeout(20) { sleep(0.01) until (got = dead.pop)[0]; got.drop(1) }
    death = properties.headers['x-death'][0]
    equal([body, death['reason'], death['queue']], ['bad', 'rejected', queue.name])
    connection.close
  },
  'it comes back after the gateway restarts' => ENV['GATEWAY_RESTART'] && lambda {
    connection = connect(automatically_recover: true, network_recovery_interval: 0.1)
    channel = connection.create_channel
    channel.confirm_select
    queue = channel.queue("bunny-restart-#{Process.pid}", durable: true)
    got = Queue.new
    queue.subscribe(manual_ack: true) { |info, _, body| got << [info.delivery_tag, info.redelivered?, body] }
    queue.publish('before', persistent: true)
    raise 'not confirmed' unless channel.wait_for_confirms
    equal(Timeout.timeout(20) { got.pop.drop(1) }, [false, 'before'])
    raise 'it did not start again' unless system(ENV['GATEWAY_RESTART'])
    tag, *again = Timeout.timeout(20) { got.pop }
    equal(again, [true, 'before'])
    channel.ack(tag)
    queue.publish('after', persistent: true)
    raise 'not confirmed' unless channel.wait_for_confirms
    equal(Timeout.timeout(20) { got.pop[2] }, 'after')
    queue.delete
    connection.close
  },
  'a large body comes whole' => lambda {
    connection = connect
    channel = connection.create_channel
    queue = channel.queue('', exclusive: true)
    got = Queue.new
    queue.subscribe { |_, _, body| got << body }
    large = 'x' * 1_000_000
    queue.publish(large)
    equal(Timeout.timeout(60) { got.pop }, large)
    connection.close
  },
  'an error is told and the connection goes on' => lambda {
    connection = connect
    refused(Bunny::NotFound) { connection.create_channel.queue('bunny-nothing', passive: true) }
    connection.create_channel.queue('', exclusive: true)
    connection.close
  },
  'a wrong password is refused' => lambda {
    refused(Bunny::AuthenticationFailureError, Bunny::PossibleAuthenticationFailureError) do
      connect(pass: 'wrong')
    end
  },
  'its own user comes into its own virtual host' => OWN && lambda {
    connection = connect(**OWN, vhost: ENV['LOGIN_VHOST'])
    queue = connection.create_channel.queue("#{OWN[:user]}-#{Process.pid}", durable: true)
    queue.publish('own')
    equal(queue.pop[2], 'own')
    queue.delete
    connection.close
  },
  'what its user may not is refused' => OWN && lambda {
    refused(Bunny::NotAllowedError) { connect(**OWN, vhost: '/') }
    connection = connect(**OWN, vhost: ENV['LOGIN_VHOST'])
    refused(Bunny::AccessRefused) { connection.create_channel.queue('foreign') }
    connection.close
  },
  'its certificate says who it is' => TLS[:tls_cert] && lambda {
    connection = connect(auth_mechanism: 'EXTERNAL')
    connection.create_channel.queue('', exclusive: true)
    connection.close
  },
}.select { |_, body| body }.freeze

passed = failed = 0
CHECKS.each do |name, body|
  Timeout.timeout(120) { body.call }
  passed += 1
  puts "  ok bunny: #{name}"
rescue StandardError => e
  failed += 1
  puts "  FAILED bunny: #{name}\n    #{e.class}: #{e.message}\n    #{e.backtrace.first(5).join("\n    ")}"
end
puts "#{passed} passed, #{failed} failed, 0 skipped"
exit!(failed.zero? ? 0 : 1)
