# bunny as Debian packages it, unmodified.
require 'bunny'
require 'timeout'

$stdout.sync = true

TLS = ENV['TLS_CA'] ? { tls: true, tls_ca_certificates: [ENV['TLS_CA']], verify_peer: true,
                        tls_cert: ENV['TLS_CERT'], tls_key: ENV['TLS_KEY'] }.compact : {}

def connect(**more)
  connection = Bunny.new(host: '127.0.0.1', port: ENV['AMQP_PORT'].to_i, user: 'guest', pass: 'guest',
                         automatically_recover: false, logger: Logger.new(File::NULL), **TLS, **more)
  connection.start
  connection
end

def equal(got, wanted)
  raise "got #{got.inspect}, wanted #{wanted.inspect}" unless got == wanted
end

CHECKS = {
  'publishes with confirms, gets and acknowledges' => lambda {
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
  'consumes what it is sent' => lambda {
    connection = connect
    channel = connection.create_channel
    queue = channel.queue('', exclusive: true)
    got = Queue.new
    queue.subscribe { |_, _, body| got << body }
    large = 'x' * 1_000_000
    queue.publish(large)
    equal(Timeout.timeout(20) { got.pop }, large)
    connection.close
  },
  'hears of a channel error and goes on' => lambda {
    connection = connect
    begin
      connection.create_channel.queue('bunny-nothing', passive: true)
      raise 'no error came'
    rescue Bunny::NotFound
      connection.create_channel.queue('', exclusive: true)
    end
    connection.close
  },
  'is refused with a wrong password' => lambda {
    begin
      connect(pass: 'wrong')
      raise 'it was let in'
    rescue Bunny::AuthenticationFailureError, Bunny::PossibleAuthenticationFailureError
      nil
    end
  },
}.freeze

passed = failed = 0
CHECKS.each do |name, body|
  Timeout.timeout(30) { body.call }
  passed += 1
rescue StandardError => e
  failed += 1
  puts "  FAILED bunny: #{name}\n    #{e.class}: #{e.message}\n    #{e.backtrace.first(5).join("\n    ")}"
end
puts "#{passed} passed, #{failed} failed, 0 skipped"
exit!(failed.zero? ? 0 : 1)
