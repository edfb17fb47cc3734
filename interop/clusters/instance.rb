require "bunny"

$stdout.sync = true
channel = Bunny.new(host: "127.0.0.1", port: ENV.fetch("AMQP_PORT", 5672).to_i).start.create_channel
channel.queue("/topic/orders.*@billing", durable: true).subscribe(block: true) do |info, _, body|
  puts "billing got #{info.routing_key} #{body}"
end
