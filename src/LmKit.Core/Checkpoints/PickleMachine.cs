using System.Buffers.Binary;
using System.Text;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The stack machine of pickle, reduced to what a dictionary of tensors needs.</summary>
internal sealed class PickleMachine(string path, byte[] code, PickleStorages storages, PickleBudget budget)
{
    private static readonly UTF8Encoding text = new(false, throwOnInvalidBytes: true);

    private readonly List<object?> stack = [];
    private readonly List<int> marks = [];
    private readonly Dictionary<int, object?> memo = new(PickleKeys.Instance);
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

    /// <summary>What a value is, for errors.</summary>
    internal static string Said(object? value) => value switch
    {
        null => "nothing",
        Dictionary<object, object?> => "a dictionary",
        List<object?> => "a list",
        object?[] => "a tuple",
        string => "a text",
        bool => "a truth value",
        long or double => "a number",
        Tensor => "a tensor",
        PickleStorage => "a storage",
        PickleGlobal global => $"'{global.Module}.{global.Name}'",
        _ => value.GetType().Name,
    };

    private void Do(byte instruction)
    {
        switch ((char)instruction)
        {
            case '\x80': Take(1); break; // protocol
            case '\x95': Take(8); break; // frame
            case '}': budget.Charge(PickleBudget.Dictionary); Push(new Dictionary<object, object?>(PickleKeys.Instance)); break;
            case ']': budget.Charge(PickleBudget.Entry); Push(new List<object?>()); break;
            case ')': Push(Array.Empty<object?>()); break;
            case '(': budget.Charge(PickleBudget.Item); marks.Add(stack.Count); break;
            case 'N': Push(null); break;
            case '\x88': Push(true); break;
            case '\x89': Push(false); break;
            case 'K': Push((long)Byte()); break;
            case 'M': Push((long)BinaryPrimitives.ReadUInt16LittleEndian(Take(2))); break;
            case 'J': Push((long)Int()); break;
            case '\x8a': Push(Long(Take(Byte()))); break;
            case 'G': Push(BinaryPrimitives.ReadDoubleBigEndian(Take(8))); break;
            case 'X': Push(Text(Take(Int()))); break;
            case '\x8c': Push(Text(Take(Byte()))); break;
            case 'c': Push(Global(Line(), Line())); break;
            case '\x93': { var name = Pop<string>("a name"); Push(Global(Pop<string>("a module's name"), name)); break; }
            case 'q': Keep(Byte()); break;
            case 'r': Keep(Int()); break;
            case '\x94': Keep(memo.Count); break;
            case 'h': Push(Remembered(Byte())); break;
            case 'j': Push(Remembered(Int())); break;
            case 't': Push(ToMark()); break;
            case '\x85': Push(Last(1)); break;
            case '\x86': Push(Last(2)); break;
            case '\x87': Push(Last(3)); break;
            case 'Q': Push(storages.Load(Pop<object?[]>("a storage's description"))); break;
            case 'R': { var arguments = Pop<object?[]>("arguments"); Push(Reduce(Pop<PickleGlobal>("a function"), arguments)); break; }
            case 's': SetItems(Last(2)); break;
            case 'u': SetItems(ToMark()); break;
            case 'a': { var item = Pop(); Append([item]); break; }
            case 'e': Append(ToMark()); break;
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
            : throw new PickleException(path, $"it names '{SafetensorsException.Shown(module)}.{SafetensorsException.Shown(name)}', which is neither a tensor nor a dictionary; the file was refused and nothing was run. Load it where it was made and save its tensors alone");
    }

    private object Reduce(PickleGlobal function, object?[] arguments)
    {
        switch (function.Name, arguments)
        {
            case ("OrderedDict", []):
                budget.Charge(PickleBudget.Dictionary);
                return new Dictionary<object, object?>(PickleKeys.Instance);
            case ("_rebuild_parameter", [Tensor data, ..]):
                return data;
            case ("_rebuild_tensor_v2", [PickleStorage storage, long offset, object?[] shape, object?[] strides, ..]):
                return storages.View(storage, offset, shape, strides);
            default:
                throw new PickleException(path, $"'{function.Module}.{function.Name}' is given arguments that PyTorch does not give it, before byte {at}");
        }
    }

    private void SetItems(object?[] items)
    {
        var dictionary = Top<Dictionary<object, object?>>("a dictionary");
        if (items.Length % 2 != 0)
            throw new PickleException(path, $"a dictionary has a key without a value before byte {at}");
        budget.Charge((long)PickleBudget.Entry * (items.Length / 2));
        for (var index = 0; index < items.Length; index += 2)
            dictionary[items[index] ?? throw new PickleException(path, $"a dictionary has no key for an entry before byte {at}")] = items[index + 1];
    }

    private void Append(object?[] items)
    {
        var list = Top<List<object?>>("a list");
        budget.Charge((long)PickleBudget.Item * items.Length);
        list.AddRange(items);
    }

    private void Keep(int place)
    {
        budget.Charge(PickleBudget.Entry);
        memo[place] = stack.Count > 0 ? stack[^1] : throw Empty();
    }

    private object? Remembered(int place) => memo.TryGetValue(place, out var value) ? value : throw new PickleException(path, $"it recalls place {place}, where nothing was kept");

    // A number takes a box beside its place on the stack.
    private void Push(object? value)
    {
        budget.Charge(2 * PickleBudget.Item);
        stack.Add(value);
    }

    private object? Pop()
    {
        if (stack.Count == 0)
            throw Empty();
        var value = stack[^1];
        stack.RemoveAt(stack.Count - 1);
        return value;
    }

    private T Pop<T>(string what)
        where T : class => Needed<T>(Pop(), what);

    private T Top<T>(string what)
        where T : class => Needed<T>(stack.Count > 0 ? stack[^1] : throw Empty(), what);

    private T Needed<T>(object? value, string what)
        where T : class => value as T ?? throw new PickleException(path, $"{Said(value)} stands where {what} belongs, before byte {at}");

    private object?[] Last(int count)
    {
        if (stack.Count < count)
            throw Empty();
        budget.Charge(PickleBudget.Item + (8L * count));
        var items = new object?[count];
        stack.CopyTo(stack.Count - count, items, 0, count);
        stack.RemoveRange(stack.Count - count, count);
        return items;
    }

    private PickleException Empty() => new(path, $"its stack is empty at byte {at}");

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

    private string Text(ReadOnlySpan<byte> bytes)
    {
        budget.Charge(2L * bytes.Length);
        return text.GetString(bytes);
    }

    private int Int() => BinaryPrimitives.ReadInt32LittleEndian(Take(4));

    private byte Byte() => Take(1)[0];

    private string Line()
    {
        var length = code.AsSpan(at).IndexOf((byte)'\n');
        var line = Text(Take(length));
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
