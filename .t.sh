python3 - > /tmp/m.yaml <<'Y'
m=", ".join("m%d"%i for i in range(300))
print("name: m\nnamespaces: [%s]\nnetworks: { lan: { subnet: 10.1.0.0/16, members: [%s] } }" % (m,m))
Y
ip link add other type veth peer name other2
for e in netlink ip; do export TOPOWEAVE_ENGINE=$e
time node dist/topoweave.js apply /tmp/m.yaml | tail -1
time node dist/topoweave.js destroy m | tail -1
ip -br link | wc -l; ls /run/netns | wc -l
done
