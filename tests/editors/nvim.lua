-- The demo's saved halt in nvim-dap, as a user sees it who took the configuration from the README.
--
-- usage: nvim --headless -u NONE -n --cmd 'set rtp^=NVIM_DAP' -c 'luafile nvim.lua'
--   in a folder made by `hvdap demo --files`, with hvdap in PATH and a file with the README's lines in HVDAP_NVIM_CONFIG.
-- Prints a line for each thing seen; the exit status is 0 when everything was. Runs in Neovim 0.7 with nvim-dap 0.6, and later.

local PATIENCE_MS = 30000

local function say(text)
  io.stderr:write(text .. '\n')
end

-- Waits until `look` gives something, and gives that.
local function wait(what, look)
  local seen
  vim.wait(PATIENCE_MS, function()
    seen = look()
    return seen and true or false
  end, 20)
  if not seen then
    error('not seen: ' .. what, 0)
  end
  return seen
end

local function equal(what, seen, expected)
  if seen ~= expected then
    error(('%s: %s, expected %s'):format(what, vim.inspect(seen), vim.inspect(expected)), 0)
  end
  say(('%s: %s'):format(what, seen))
end

-- Asks the adapter through nvim-dap.
local function ask(session, command, arguments)
  local done, failure, body
  session:request(command, arguments, function(err, response)
    done, failure, body = true, err, response
  end)
  wait('an answer to ' .. command, function() return done end)
  if failure then
    error(command .. ': ' .. vim.inspect(failure), 0)
  end
  return body
end

-- The session of a VM, once it shows where it stands.
local function child_of(root, name)
  return wait('a session of ' .. name, function()
    for _, child in pairs(root.children or {}) do
      if child.config.name == name and child.stopped_thread_id and child.current_frame then
        return child
      end
    end
  end)
end

-- The variables of all scopes that nvim-dap fetched by itself, by name.
local function variables(session)
  return wait('variables of ' .. session.config.name, function()
    local all = {}
    for _, scope in pairs(session.current_frame.scopes or {}) do
      for _, variable in pairs(scope.variables or {}) do
        all[variable.name] = variable
      end
    end
    return next(all) and all
  end)
end

local function check_vm(dap, root, vm)
  local session = child_of(root, vm.name)
  dap.set_session(session)
  equal('session in front', dap.session().config.name, vm.name)
  equal(vm.name .. ', vCPUs', vim.tbl_count(session.threads), vm.vcpus)
  local frames = wait('frames', function() return session.threads[session.stopped_thread_id].frames end)
  equal(vm.name .. ', innermost', frames[1].name, vm.innermost)
  equal(vm.name .. ', its file is here', vim.fn.filereadable(frames[1].source.path), 1)
  variables(session)
  if vm.expression then
    local asked = { expression = vm.expression, frameId = frames[1].id, context = 'repl' }
    equal(vm.name .. ', ' .. vm.expression, ask(session, 'evaluate', asked).result, vm.value)
  end
end

local function journey()
  local dap = require('dap')
  local stops = {}
  dap.listeners.after['event_stopped'].hvdap_test = function(session)
    local name = session.config.name
    stops[name] = (stops[name] or 0) + 1
  end
  dofile(os.getenv('HVDAP_NVIM_CONFIG'))
  dap.run(dap.configurations.c[1])
  local root = wait('the session of the user', function()
    local session = dap.session()
    return session and session.initialized and session
  end)
  -- A child may have taken its place in front already.
  root = root.parent or root

  check_vm(dap, root, {
    name = 'blinky', vcpus = 2, innermost = 'sample_store', expression = 'sample->kind', value = 'SENSOR_TILT',
  })
  check_vm(dap, root, { name = 'courier', vcpus = 1, innermost = 'clock_ticks' })
  -- A second one would make nvim-dap resume that thread, and with it the machine.
  for name, count in pairs(stops) do
    equal(name .. ', halts told', count, 1)
  end
  equal('sessions told of the halt', vim.tbl_count(stops), 3)

  dap.set_session(root)
  dap.disconnect({ terminateDebuggee = false })
  wait('the end of all sessions', function() return next(dap.sessions()) == nil end)
end

-- An error that leaves this file would leave Neovim waiting for ever.
local passed, why = xpcall(journey, function(err)
  return type(err) == 'string' and not err:find('stack traceback') and debug.traceback(err, 2) or err
end)
if passed then
  say('passed')
  vim.cmd('qa!')
else
  say('FAILED: ' .. tostring(why))
  vim.cmd('cquit')
end
