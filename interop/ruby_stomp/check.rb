# ruby-stomp as Debian packages it, unmodified.
require 'stomp'
require 'timeout'

$stdout.sync = true
COUNT = Enumerator.produce(1, &:succ)
def unique(stem) = "#{stem}-#{Process.pid}-#{COUNT.next}"

def equal(got, wanted)
  raise "got #{got.inspect}, wanted #{wanted.inspect}" unless got == wanted
end

def host
  ssl = ENV['TLS_CA'] && Stomp::SSLParams.new(ts_files: ENV['TLS_CA'], cert_file: ENV['TLS_CERT'],
                                              key_file: ENV['TLS_KEY'])
  { host: '127.0.0.1', port: ENV['STOMP_PORT'].to_i, login: 'guest', passcode: 'guest', ssl: ssl || false }
end

def options(version = '1.2')
  { hosts: [host], reliable: true, initial_reconnect_delay: 0.1, logger: Logger.new,
    connect_headers: { 'accept-version': version, host: '/' } }
end

def client(version = '1.2') = Stomp::Client.new(options(version))

# A logger of its own, that says nothing.
class Logger < Stomp::NullLogger
  def on_miscerr(*) = nil
end

# Sends, and comes back when the gateway has said that it has it.
def confirmed(client, destination, body, headers = {})
  receipt = Queue.new
  client.publish(destination, body, headers) { |frame| receipt << frame.headers['receipt-id'] }
  receipt.pop
end

# Subscribes; gives the queue of what comes.
def subscribed(client, destination, headers = {})
  got = Queue.new
  client.subscribe(destination, { id: unique('s'), ack: 'client-individual' }.merge(headers)) { |m| got << m }
  got
end

# The library raises what the gateway says as it goes, and connects again nevertheless.
def past_errors
  yield
rescue Stomp::Error::BrokerException
  retry
end

CHECKS = {
  'publishes are confirmed' => lambda {
    one = client
    queue = "/queue/#{unique('ruby')}"
    20.times { |i| confirmed(one, queue, "m#{i}", persistent: true, n: i) }
    got = subscribed(one, queue, 'prefetch-count': 5)
    20.times do |i|
      message = got.pop
      equal([message.body, message.headers['n']], ["m#{i}", i.to_s])
      one.ack(message)
    end
    one.close
  },
  'every version of the protocol' => lambda {
    %w[1.0 1.1 1.2].each do |version|
      one = client(version)
      equal(one.protocol, version)
      queue = "/queue/#{unique('ruby')}"
      got = subscribed(one, queue, ack: 'client')
      one.publish(queue, version)
      message = got.pop
      equal(message.body, version)
      one.ack(message)
      one.close
    end
  },
  'transactions' => lambda {
    one = client
    queue = "/queue/#{unique('ruby')}"
    got = subscribed(one, queue)
    %w[dropped kept].each do |body|
      one.begin(body)
      one.publish(queue, body, transaction: body)
      body == 'kept' ? one.commit(body) : one.abort(body)
    end
    message = got.pop
    equal(message.body, 'kept')
    one.ack(message)
    one.close
  },
  # Its Client hands over what came by a subscription of its own alone, its Connection all.
  'a question and its answer' => lambda {
    asker = Stomp::Connection.new(options)
    service = client
    queue = "/queue/#{unique('ruby')}"
    asker.publish(queue, '?', 'reply-to': '/temp-queue/answers', 'correlation-id': '7')
    question = subscribed(service, queue, ack: 'auto').pop
    service.publish(question.headers['reply-to'], "re:#{question.body}",
                    'correlation-id': question.headers['correlation-id'])
    answer = asker.receive
    equal([answer.body, answer.headers['correlation-id'], answer.headers['subscription']],
          ['re:?', '7', '/temp-queue/answers'])
    service.close
    asker.disconnect
  },
  'its certificate says who it is' => ENV['TLS_CERT'] && lambda {
    own = host.except(:login, :passcode)
    one = Stomp::Client.new(options.merge(hosts: [own]))
    confirmed(one, "/queue/#{unique('ruby')}", 'mine')
    one.close
  },
  'a prefetch bounds what is out' => lambda {
    one = client
    queue = "/queue/#{unique('ruby')}"
    5.times { |i| confirmed(one, queue, "m#{i}") }
    got = subscribed(one, queue, 'prefetch-count': 2)
    first = Array.new(2) { got.pop }.first
    sleep(0.2)
    equal(got.size, 0)
    one.ack(first)
    equal(got.pop.body, 'm2')
    one.close
  },
  'what is rejected goes to the dead letter queue' => lambda {
    one = client
    dead = unique('dead')
    letters = subscribed(one, "/queue/#{dead}")
    queue = "/queue/#{unique('ruby')}"
    got = subscribed(one, queue, 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': dead)
    one.publish(queue, 'bad')
    one.nack(got.pop, requeue: false)
    letter = letters.pop
    equal(letter.body, 'bad')
    one.ack(letter)
    one.close
  },
  'it comes back after the gateway restarts' => ENV['GATEWAY_RESTART'] && lambda {
    one = client
    queue = "/queue/#{unique('ruby')}"
    got = subscribed(one, queue)
    confirmed(one, queue, 'before', persistent: true)
    equal(got.pop.body, 'before')
    start = Thread.new { system(ENV['GATEWAY_RESTART']) }
    raise 'it did not start again' unless past_errors { start.value }
    again = past_errors { got.pop }
    equal([again.body, again.headers['redelivered']], %w[before true])
    one.ack(again)
    confirmed(one, queue, 'after', persistent: true)
    equal(got.pop.body, 'after')
    one.close
  }
}.select { |_, body| body }.freeze

passed = failed = 0
CHECKS.each do |name, body|
  Timeout.timeout(60) { body.call }
  passed += 1
  puts "  ok ruby-stomp: #{name}"
rescue StandardError => e
  failed += 1
  puts "  FAILED ruby-stomp: #{name}\n    #{e.class}: #{e.message}\n    #{e.backtrace.first(5).join("\n    ")}"
end
puts "#{passed} passed, #{failed} failed, 0 skipped"
exit!(failed.zero? ? 0 : 1)
