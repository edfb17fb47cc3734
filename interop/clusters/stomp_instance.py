import os, time, stomp

class Billing(stomp.ConnectionListener):
    def on_message(self, frame):
        print("billing got", frame.headers["destination"].split("/")[-1], frame.body, flush=True)

connection = stomp.Connection12([("127.0.0.1", int(os.environ.get("STOMP_PORT", 61613)))])
connection.set_listener("", Billing())
connection.connect("guest", "guest", wait=True)
connection.subscribe("/topic/orders.*", id=1, headers={"cluster-id": "billing"})
time.sleep(3600)
