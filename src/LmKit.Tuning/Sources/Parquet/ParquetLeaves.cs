using System.Text;

namespace LmKit;

/// <summary>The columns that a Parquet file's description lists.</summary>
internal static class ParquetLeaves
{
    private const int MaxDepth = 32;
    private const int ByteArray = 6;
    private static readonly string[] TypeNames = ["Boolean", "Int32", "Int64", "Int96", "Single", "Double", "Byte[]", "Byte[]"];

    /// <summary>Reads the list of schema elements, a tree in depth-first order.</summary>
    internal static List<ParquetLeaf> Read(ref ThriftReader reader, int count)
    {
        var leaves = new List<ParquetLeaf>();
        // Children still to come at each level, and what holds of all that stand there.
        var levels = new Stack<(int Left, string Path, int Definition, bool IsRepeated)>();
        for (var index = 0; index < count; index++)
        {
            var element = Element.Read(ref reader);
            if (index == 0)
            {
                levels.Push((element.ChildCount, "", 0, false));
                continue;
            }
            while (levels.TryPeek(out var full) && full.Left == 0)
                _ = levels.Pop();
            if (levels.Count is 0 or > MaxDepth)
                throw new InvalidDataException($"its schema is no tree of at most {MaxDepth} levels");
            var above = levels.Pop();
            levels.Push(above with { Left = above.Left - 1 });
            var path = above.Path.Length == 0 ? element.Name : $"{above.Path}.{element.Name}";
            var definition = above.Definition + (element.Repetition == 0 ? 0 : 1);
            var isRepeated = above.IsRepeated || element.Repetition == 2;
            if (element.ChildCount > 0)
                levels.Push((element.ChildCount, path, definition, isRepeated));
            else
                leaves.Add(new ParquetLeaf(leaves.Count, path, element.Name, element.TypeName, element.IsText, isRepeated, definition));
        }
        return levels.All(level => level.Left == 0) ? leaves : throw new InvalidDataException("its schema ends before all its members are listed");
    }

    private readonly record struct Element(string Name, int Type, int Repetition, int ChildCount, int Converted, bool IsLogicalText)
    {
        // UTF8, ENUM and JSON.
        internal bool IsText => Type == ByteArray && (IsLogicalText || Converted is 0 or 4 or 19);

        internal string TypeName => Type >= 0 && Type < TypeNames.Length ? TypeNames[Type] : "an unknown type";

        internal static Element Read(ref ThriftReader reader)
        {
            var (name, type, repetition, children, converted, isText) = ("", -1, 0, 0, -1, false);
            var id = 0;
            while (reader.ReadField(ref id, out var field))
            {
                switch (id)
                {
                    case 1:
                        type = reader.ReadInt(field);
                        break;
                    case 3:
                        repetition = reader.ReadInt(field);
                        break;
                    case 4:
                        name = Encoding.UTF8.GetString(reader.ReadBinary(field));
                        break;
                    case 5:
                        children = reader.ReadInt(field);
                        break;
                    case 6:
                        converted = reader.ReadInt(field);
                        break;
                    case 10:
                        isText = IsLogical(ref reader, field);
                        break;
                    default:
                        reader.Skip(field);
                        break;
                }
            }
            return children >= 0 && repetition is >= 0 and <= 2
                ? new Element(name, type, repetition, children, converted, isText)
                : throw new InvalidDataException($"its schema gives '{StrictJson.Shown(name)}' {children} members and repetition {repetition}");
        }

        // A union: STRING, ENUM or JSON stands in it.
        private static bool IsLogical(ref ThriftReader reader, ThriftType type)
        {
            ThriftReader.Expect(type, ThriftType.Struct);
            var isText = false;
            var id = 0;
            while (reader.ReadField(ref id, out var field))
            {
                isText |= id is 1 or 4 or 12;
                reader.Skip(field);
            }
            return isText;
        }
    }
}

/// <summary>A column of a Parquet file's schema.</summary>
/// <param name="Index">Its place among the columns.</param>
/// <param name="Path">Its names from the root, joined by dots.</param>
/// <param name="Name">Its own name.</param>
/// <param name="TypeName">What it holds, for messages.</param>
/// <param name="IsText">Whether it holds texts.</param>
/// <param name="IsRepeated">Whether a row has several values.</param>
/// <param name="MaxDefinition">The definition level of a value that is there.</param>
internal sealed record ParquetLeaf(int Index, string Path, string Name, string TypeName, bool IsText, bool IsRepeated, int MaxDefinition);
