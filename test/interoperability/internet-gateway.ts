/**
 * A stand-in for a router that maps ports on request (UPnP Internet Gateway Device 2): answers who
 * searches for one, and takes mappings. It maps nothing; each request is a line of its output.
 *
 *     node internet-gateway.ts <its address> <its public address>
 */
import { createSocket } from 'node:dgram'
import { createServer } from 'node:http'

const [, , inside = '', outside = ''] = process.argv
const searchAddress = '239.255.255.250'
const [searchPort, descriptionPort] = [1900, 5000]
const device = 'urn:schemas-upnp-org:device:InternetGatewayDevice:2'
const service = 'urn:schemas-upnp-org:service:WANIPConnection:2'

const search = createSocket({ type: 'udp4', reuseAddr: true })
search.on('message', (message, from) => {
  const [, target] = /^ST: *(.*?)\r/im.exec(message.toString()) ?? []
  if (target !== device || !message.toString().startsWith('M-SEARCH')) return
  search.send(['HTTP/1.1 200 OK', 'CACHE-CONTROL: max-age=1800', 'EXT:', `LOCATION: http://${inside}:${descriptionPort}/`, 'SERVER: stand-in', `ST: ${device}`, `USN: uuid:1::${device}`, '', ''].join('\r\n'), from.port, from.address)
})
search.bind(searchPort, () => { search.addMembership(searchAddress, inside) })

createServer((request, response) => {
  let body = ''
  request.on('data', chunk => { body += String(chunk) })
  request.on('end', () => {
    response.setHeader('content-type', 'text/xml; charset="utf-8"')
    if (request.method === 'GET') {
      response.end(`<?xml version="1.0"?><root xmlns="urn:schemas-upnp-org:device-1-0">${deviceOf(device, deviceOf('urn:schemas-upnp-org:device:WANDevice:2', deviceOf('urn:schemas-upnp-org:device:WANConnectionDevice:2')))}</root>`)
      return
    }
    const [, action = ''] = /#(\w+)/.exec(String(request.headers['soapaction'])) ?? []
    const field = (name: string): string => new RegExp(`<${name}>(.*?)</${name}>`).exec(body)?.[1] ?? ''
    process.stdout.write(`${action} ${field('NewInternalClient')} ${field('NewInternalPort')} ${field('NewExternalPort')}\n`)
    const results: Readonly<Record<string, string>> = {
      GetExternalIPAddress: `<NewExternalIPAddress>${outside}</NewExternalIPAddress>`,
      AddAnyPortMapping: `<NewReservedPort>${field('NewExternalPort')}</NewReservedPort>`,
    }
    response.end(`<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><u:${action}Response xmlns:u="${service}">${results[action] ?? ''}</u:${action}Response></s:Body></s:Envelope>`)
  })
}).listen(descriptionPort, inside)

function deviceOf (type: string, inner?: string): string {
  const services = `<serviceList><service><serviceType>${service}</serviceType><serviceId>1</serviceId><SCPDURL>/</SCPDURL><controlURL>/</controlURL><eventSubURL>/</eventSubURL></service></serviceList>`
  return `<device><deviceType>${type}</deviceType><UDN>uuid:1</UDN>${inner === undefined ? services : `<deviceList>${inner}</deviceList>`}</device>`
}
