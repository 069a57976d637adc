using System.Buffers.Binary;
using System.Text;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The stack machine of pickle, reduced to what a dictionary of tensors needs.</summary>
internal sealed class PickleMachine(string path, byte[] code, PickleStorages storages)
{
    private readonly List<object?> stack = [];
    private readonly List<int> marks = [];
    private readonly Dictionary<int, object?> memo = [];
    private int at;

    internal object? Run()
    {
        while (true)
        {
            var instruction = Byte();
            if (instruction == '.')
                return Pop();
            Do(instruction);
        }
    }

    private void Do(byte instruction)
    {
        switch ((char)instruction)
        {
            case '\x80': Take(1); break; // protocol
            case '\x95': Take(8); break; // frame
            case '}': Push(new Dictionary<object, object?>()); break;
            case ']': Push(new List<object?>()); break;
            case ')': Push(Array.Empty<object?>()); break;
            case '(': marks.Add(stack.Count); break;
            case 'N': Push(null); break;
            case '\x88': Push(true); break;
            case '\x89': Push(false); break;
            case 'K': Push((long)Byte()); break;
            case 'M': Push((long)BinaryPrimitives.ReadUInt16LittleEndian(Take(2))); break;
            case 'J': Push((long)Int()); break;
            case '\x8a': Push(Long(Take(Byte()))); break;
            case 'G': Push(BinaryPrimitives.ReadDoubleBigEndian(Take(8))); break;
            case 'X': Push(Encoding.UTF8.GetString(Take(Int()))); break;
            case '\x8c': Push(Encoding.UTF8.GetString(Take(Byte()))); break;
            case 'c': Push(Global(Line(), Line())); break;
            case '\x93': { var name = (string)Pop()!; Push(Global((string)Pop()!, name)); break; }
            case 'q': memo[Byte()] = stack[^1]; break;
            case 'r': memo[Int()] = stack[^1]; break;
            case '\x94': memo[memo.Count] = stack[^1]; break;
            case 'h': Push(Remembered(Byte())); break;
            case 'j': Push(Remembered(Int())); break;
            case 't': Push(ToMark()); break;
            case '\x85': Push(Last(1)); break;
            case '\x86': Push(Last(2)); break;
            case '\x87': Push(Last(3)); break;
            case 'Q': Push(storages.Load((object?[])Pop()!)); break;
            case 'R': { var arguments = (object?[])Pop()!; Push(Reduce((PickleGlobal)Pop()!, arguments)); break; }
            case 's': SetItems(Last(2)); break;
            case 'u': SetItems(ToMark()); break;
            case 'a': { var item = Pop(); ((List<object?>)stack[^1]!).Add(item); break; }
            case 'e': { var items = ToMark(); ((List<object?>)stack[^1]!).AddRange(items); break; }
            // A dictionary's attributes, such as a state dictionary's version numbers, are dropped.
            case 'b' when stack is [.., Dictionary<object, object?>, _]: Pop(); break;
            default: throw new PickleException(path, $"instruction 0x{instruction:X2} at byte {at - 1} builds something other than tensors, numbers, texts, lists and dictionaries; nothing was run");
        }
    }

    private PickleGlobal Global(string module, string name)
    {
        var global = new PickleGlobal(module, name);
        return global.IsAllowed
            ? global
            : throw new PickleException(path, $"it names '{module}.{name}', which is neither a tensor nor a dictionary; the file was refused and nothing was run. Load it where it was made and save its tensors alone");
    }

    private object? Reduce(PickleGlobal function, object?[] arguments) => (function.Name, arguments) switch
    {
        ("OrderedDict", []) => new Dictionary<object, object?>(),
        ("_rebuild_parameter", [Tensor data, ..]) => data,
        ("_rebuild_tensor_v2", [Tensor storage, long offset, object?[] shape, object?[] strides, ..]) =>
            storages.View(storage, offset, [.. shape.Cast<long>()], [.. strides.Cast<long>()]),
        _ => throw new PickleException(path, $"'{function.Module}.{function.Name}' is given arguments that PyTorch does not give it"),
    };

    private void SetItems(object?[] items)
    {
        var dictionary = (Dictionary<object, object?>)stack[^1]!;
        for (var index = 0; index + 1 < items.Length; index += 2)
            dictionary[items[index] ?? throw new PickleException(path, "a dictionary has no key for an entry")] = items[index + 1];
    }

    private object? Remembered(int place) => memo.TryGetValue(place, out var value) ? value : throw new PickleException(path, $"it recalls place {place}, where nothing was kept");

    private void Push(object? value) => stack.Add(value);

    private object? Pop() => Last(1)[0];

    private object?[] Last(int count)
    {
        if (stack.Count < count)
            throw new PickleException(path, $"its stack is empty at byte {at}");
        object?[] items = [.. stack[^count..]];
        stack.RemoveRange(stack.Count - count, count);
        return items;
    }

    private object?[] ToMark()
    {
        if (marks.Count == 0 || marks[^1] > stack.Count)
            throw new PickleException(path, $"a mark is missing at byte {at}");
        var start = marks[^1];
        marks.RemoveAt(marks.Count - 1);
        return Last(stack.Count - start);
    }

    private static long Long(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length > 8)
            throw new OverflowException("a number is wider than 64 bits");
        Span<byte> wide = stackalloc byte[8];
        wide.Fill(bytes.Length > 0 && (bytes[^1] & 0x80) != 0 ? (byte)0xFF : (byte)0);
        bytes.CopyTo(wide);
        return BinaryPrimitives.ReadInt64LittleEndian(wide);
    }

    private int Int() => BinaryPrimitives.ReadInt32LittleEndian(Take(4));

    private byte Byte() => Take(1)[0];

    private string Line()
    {
        var length = code.AsSpan(at).IndexOf((byte)'\n');
        var line = Encoding.UTF8.GetString(Take(length));
        Take(1);
        return line;
    }

    private ReadOnlySpan<byte> Take(int count)
    {
        if (count < 0 || count > code.Length - at)
            throw new PickleException(path, $"it ends in the middle of an instruction, at byte {at}");
        at += count;
        return code.AsSpan(at - count, count);
    }
}
